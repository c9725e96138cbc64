"""Latencies as HDR histograms: recorded in ns, kept as a histogram log, drawn by percentile."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter

LOWEST_NS, HIGHEST_NS, DIGITS = 1_000, 60_000_000_000, 3
STYLES = ("-", "--", ":")


class Curve(NamedTuple):
    """One histogram of the picture. Curves of one colour belong together; `style` is a place in STYLES."""

    panel: str
    name: str
    colour: int
    style: int
    histogram: HdrHistogram


def histogram(values_ns: npt.NDArray[np.int64]) -> HdrHistogram:
    """1 us to a minute, in ns, three digits."""
    found = HdrHistogram(LOWEST_NS, HIGHEST_NS, DIGITS)
    for value, count in zip(*np.unique(values_ns // 100 * 100, return_counts=True), strict=True):
        found.record_value(int(min(max(value, LOWEST_NS), HIGHEST_NS)), int(count))
    return found


def figures(found: HdrHistogram) -> dict[str, float]:
    """Microseconds."""
    return {
        "latency_us_p50": found.get_value_at_percentile(50) / 1000,
        "latency_us_p99": found.get_value_at_percentile(99) / 1000,
    }


def write_log(curves: Iterable[Curve], path: Path) -> None:
    """A histogram log (.hlog, format 1.2), as HdrHistogram's tools read them; a tag names each curve."""
    with path.open("w") as out:
        writer = HistogramLogWriter(out)
        writer.output_log_format_version()
        writer.output_comment("[values are nanoseconds, Interval_Max is microseconds]")
        writer.output_legend()
        for curve in curves:
            tag = f"{curve.panel} {curve.name}".replace(",", "").replace(" ", "-")
            out.write(f"Tag={tag},")
            writer.output_interval_histogram(curve.histogram, max_value_unit_ratio=1000.0)


def draw(curves: list[Curve], title: str, path: Path) -> None:
    """Latency by percentile, a panel beside the other, both axes logarithmic: the right half is the tail.

    A curve ends where it has no more than one value: what lies beyond is not known.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter

    panels = list(dict.fromkeys(curve.panel for curve in curves))
    figure, row = pyplot.subplots(
        1, len(panels), figsize=(5.5 * len(panels), 6.5), sharey=True, squeeze=False
    )
    for axes, panel in zip(row[0], panels, strict=True):
        shown = [curve for curve in curves if curve.panel == panel]
        for curve in shown:
            nines = np.linspace(0, last_nine(curve.histogram), 200)
            values = [
                curve.histogram.get_value_at_percentile(100 * (1 - 10.0**-nine)) / 1000 for nine in nines
            ]
            label = f"{curve.name}: p50 {figures(curve.histogram)['latency_us_p50']:,.0f} µs"
            axes.plot(nines, values, STYLES[curve.style], color=f"C{curve.colour}", label=label)
        ticks = range(math.ceil(max(last_nine(curve.histogram) for curve in shown)) + 1)
        axes.set_xticks(ticks, ["0", "90", *(f"99.{'9' * (nine - 2)}".rstrip(".") for nine in ticks[2:])])
        axes.set_xlim(0)
        axes.set_xlabel("percentile of the orders, %")
        axes.set_title(panel, fontsize="medium")
        axes.grid(visible=True, which="major", alpha=0.5)
        axes.grid(visible=True, which="minor", alpha=0.15)
        axes.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.13))
    row[0][0].set_yscale("log")
    row[0][0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    row[0][0].set_ylabel("latency from the intended send time, µs")
    figure.suptitle(title)
    figure.tight_layout()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def last_nine(found: HdrHistogram) -> float:
    """How many nines the percentile has beyond which there is one value: 3 for a thousand values."""
    return math.log10(max(found.get_total_count(), 10))
