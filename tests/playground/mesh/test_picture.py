import math
from xml.etree import ElementTree as ET

import pytest

from canary_operator.playground.picture import (
    Event,
    ImageFormat,
    Moment,
    Recording,
    Tone,
    draw,
    render,
)


def moment(second: int) -> Moment:
    """Promote v2 within 60 s; v3 fails and is rolled back at 90 s."""
    weight = next(
        (
            weight
            for until, weight in ((8, 0), (20, 5), (34, 20), (50, 50), (78, 0), (90, 5))
            if second < until
        ),
        0,
    )
    stable, canary = ("v1", "v2") if second < 50 else ("v2", "v3")
    rate = 60 + 2 * math.sin(second)
    requests = {stable: rate * (1 - weight / 100)}
    if weight:
        requests[canary] = rate * weight / 100
    is_failing = 78 <= second < 90
    return Moment(
        at=float(second),
        weight=weight,
        canary_success=None if not weight else 62.0 if is_failing else 99.95,
        stable_success=None if second < 5 else 100.0,
        requests=requests,
        failed=rate * 0.05 * 0.38 if is_failing else 0.0,
    )


RECORDING = Recording(
    title="helloworld: v2 is promoted, v3 is rolled back",
    moments=tuple(moment(second) for second in range(110)),
    events=(
        Event(6, "v2 applied"),
        Event(50, "promoted", Tone.GOOD),
        Event(76, "v3 applied"),
        Event(90, "rolled back after 12 s", Tone.BAD),
    ),
    footnote="6,600 requests, 28 failed, all answered by v3",
)


def test_a_png_is_made() -> None:
    assert render(RECORDING, ImageFormat.PNG).startswith(b"\x89PNG\r\n")


def test_an_svg_is_well_formed() -> None:
    root = ET.fromstring(render(RECORDING, ImageFormat.SVG))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("image_format", ImageFormat)
def test_the_same_recording_gives_the_same_bytes(image_format: ImageFormat) -> None:
    assert render(RECORDING, image_format) == render(RECORDING, image_format)


def test_labels_that_are_close_do_not_share_a_row() -> None:
    events = (Event(50, "first of three labels"), Event(51, "second"), Event(52, "third"))
    figure = draw(Recording("title", RECORDING.moments, events))
    heights = {
        text.get_text(): text.xy[1]
        for text in figure.axes[0].texts
        if text.get_text() in {event.label for event in events}
    }
    assert len(set(heights.values())) == 3


@pytest.mark.parametrize(
    "recording",
    [
        pytest.param(Recording("idle", (Moment(0, 0), Moment(1, 0))), id="no traffic"),
        pytest.param(
            Recording("long", (Moment(0, 5, 99.0), Moment(600, 5, 0.0))), id="minutes, all failing"
        ),
    ],
)
def test_thin_recordings_can_be_drawn(recording: Recording) -> None:
    assert render(recording, ImageFormat.PNG)


def test_a_lone_failure_is_a_peak_and_calm_is_no_line() -> None:
    failed = [0.0, 0.0, 0.0, 2.0, 0.0, 0.0]
    moments = tuple(Moment(float(at), 5, failed=value) for at, value in enumerate(failed))
    figure = draw(Recording("title", moments))
    [line] = [line for line in figure.axes[2].lines if line.get_label() == "failed"]
    drawn = [None if math.isnan(value) else value for value in map(float, line.get_ydata())]
    assert drawn == [None, None, 0.0, 2.0, 0.0, None]


def test_an_event_before_the_first_sample_is_shown_at_the_edge() -> None:
    figure = draw(Recording("title", RECORDING.moments, (Event(-5, "before"),)))
    [text] = [text for text in figure.axes[0].texts if text.get_text() == "before"]
    assert text.xy[0] == 0
