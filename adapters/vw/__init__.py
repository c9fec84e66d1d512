"""The learning engine: VowpalWabbit, in this process for answers and in others for learning."""
