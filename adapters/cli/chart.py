"""Learning curves, for the terminal and as a picture."""

from collections.abc import Sequence
from pathlib import Path

_EIGHTHS = " ▁▂▃▄▅▆▇█"


def moving_average(values: Sequence[float], window: int) -> list[float]:
    """Return the average of the last so many values at each of them."""
    averages: list[float] = []
    total = 0.0
    for at, value in enumerate(values):
        total += value - (values[at - window] if at >= window else 0.0)
        averages.append(total / min(at + 1, window))
    return averages


def stretched(values: Sequence[float], width: int = 64) -> list[float]:
    """Return a few values as often as it takes to fill a width."""
    return [values[at * len(values) // width] for at in range(width)] if len(values) < width else list(values)


def draw_text(values: Sequence[float], width: int = 64, height: int = 8) -> str:
    """Return a curve between 0 and 1 in block characters, with its scale to the left."""
    step = len(values) / width
    columns = [values[min(len(values) - 1, int((at + 1) * step) - 1)] for at in range(width)]
    lines: list[str] = []
    for row in reversed(range(height)):
        cells = (round(max(0.0, min(1.0, value * height - row)) * 8) for value in columns)
        scale = f"{(row + 1) / height:4.0%} ┤" if row % 2 else "     │"
        lines.append(scale + "".join(_EIGHTHS[cell] for cell in cells).rstrip())
    lines.append("     └" + "─" * width)
    return "\n".join(lines)


def draw_picture(
    path: Path, curve: Sequence[float], *, uniform: float, fixed: float, switched: int, window: int
) -> None:
    """Write the learning curve as a PNG.

    Args:
        path: The file.
        curve: The moving average of the rewards.
        uniform: What an even choice gets.
        fixed: What the best fixed action gets.
        switched: After how many decisions the learning policy was changed.
        window: Of the moving average.

    """
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    from matplotlib.ticker import PercentFormatter  # noqa: PLC0415

    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    axes.plot(range(1, len(curve) + 1), curve, color="#1f5fa8", linewidth=2, label="the loop")
    axes.axhline(
        fixed, color="#b35900", linestyle="--", linewidth=1.2, label=f"best fixed action ({fixed:.1%})"
    )
    axes.axhline(uniform, color="#777777", linestyle=":", linewidth=1.5, label=f"even choice ({uniform:.1%})")
    axes.axvline(switched, color="#999999", linewidth=1)
    axes.annotate(
        "learning policy changed,\nthe past relearned",
        xy=(switched, 0.97),
        xytext=(-6, 0),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=9,
        color="#555555",
    )
    axes.set(
        title="Handwritten digits: how often the loop chose the right one",
        xlabel="decisions",
        ylabel=f"average reward of the last {window}",
        ylim=(0, 1),
        xlim=(0, len(curve)),
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.grid(visible=True, color="#e6e6e6")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="center left", frameon=False)
    figure.savefig(path, dpi=130)
