"""Learning: from decisions and rewards to joined examples, and from those to model versions."""
