"""Plots of results: bars for each contestant, brushwork in one colour and all others in another."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from benchmarks.report import number

matplotlib.use("Agg")
from matplotlib import pyplot

OURS, CEILING, THEIRS = "#2f6db5", "#e0b060", "#9aa3ad"
DOTS_PER_INCH = 130


def bars(file: Path, panels: Mapping[str, Mapping[str, float]], label: str) -> None:
    """Horizontal bars, one panel beside the other.

    Args:
        file: The PNG.
        panels: For each panel's title, the value of each contestant.
        label: What the values are.
    """
    most = max(len(values) for values in panels.values())
    figure, all_axes = pyplot.subplots(
        1, len(panels), figsize=(2.2 + 3.6 * len(panels), 1.1 + 0.42 * most), sharey=True, squeeze=False
    )
    for axes, (title, values) in zip(all_axes[0], panels.items(), strict=True):
        _draw_bars(axes, title, values)
        axes.set_xlabel(label)
    all_axes[0][0].invert_yaxis()
    _save(figure, file)


def lines(
    file: Path,
    panels: Mapping[str, Mapping[str, tuple[Sequence[float], Sequence[float]]]],
    labels: tuple[str, str],
) -> None:
    """Curves of several contestants over the same axis, one panel beside the other."""
    figure, all_axes = pyplot.subplots(1, len(panels), figsize=(1.0 + 4.4 * len(panels), 3.8), squeeze=False)
    for axes, (title, curves) in zip(all_axes[0], panels.items(), strict=True):
        for name, (across, up) in curves.items():
            axes.plot(across, up, marker="o", label=name, color=_colour(name))
        axes.set(title=title, xlabel=labels[0], ylabel=labels[1], xscale="log", ylim=(0, None))
        axes.set_xticks(across, [f"{value:g}" for value in across], minor=False)
        axes.minorticks_off()
        axes.grid(color="#e8e8e8")
        axes.legend(frameon=False, fontsize=8)
    _save(figure, file)


def learning(file: Path, panels: Mapping[str, Mapping[str, tuple[Sequence[int], Sequence[float]]]]) -> None:
    """Learning curves, one panel beside the other: percentages over the samples seen.

    Args:
        file: The PNG.
        panels: For each panel's title, samples and percentages by name.
    """
    figure, all_axes = pyplot.subplots(
        1, len(panels), figsize=(1.0 + 3.6 * len(panels), 3.4), sharey=True, squeeze=False
    )
    for axes, (title, curves) in zip(all_axes[0], panels.items(), strict=True):
        for (name, (samples, shares)), colour in zip(curves.items(), (OURS, CEILING), strict=False):
            axes.plot([count / 1000 for count in samples], shares, marker="o", label=name, color=colour)
        axes.set_title(title, fontsize=9)
        axes.set(xlabel="samples (thousands)", xlim=(0, None), ylim=(0, 102))
        axes.grid(color="#e8e8e8")
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0][0].set_ylabel("all right (%)")
    all_axes[0][0].legend(frameon=False, fontsize=8, loc="lower right")
    _save(figure, file)


def is_ours(name: str) -> bool:
    """Whether a contestant is brushwork."""
    return name.startswith("brushwork")


def _draw_bars(axes: Any, title: str, values: Mapping[str, float]) -> None:
    drawn = axes.barh(list(values), list(values.values()), color=[_colour(name) for name in values])
    axes.bar_label(drawn, [number(value) for value in values.values()], padding=3, fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.set_xlim(0, 1.18 * max(values.values()))
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)


def _colour(name: str) -> str:
    if is_ours(name):
        return OURS
    return CEILING if name.startswith(("ceiling", "diffusers, static batch")) else THEIRS


def _save(figure: Any, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.tight_layout()
    figure.savefig(file, dpi=DOTS_PER_INCH, facecolor="white")
    pyplot.close(figure)
