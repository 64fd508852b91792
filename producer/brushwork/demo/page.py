"""The demonstration as one HTML file that contains its pictures, for light and dark mode."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape

from brushwork.demo.demo_result import DemoResult

STYLE = """
:root { color-scheme: light dark; --paper: #fafaf8; --card: #fff; --ink: #191919; --quiet: #6b6b6b;
  --line: #e2e2de; --yes: #1a7f37; --no: #b35900; }
@media (prefers-color-scheme: dark) { :root { --paper: #161616; --card: #212121; --ink: #ececec;
  --quiet: #a0a0a0; --line: #3a3a3a; --yes: #57c26f; --no: #e8a04c; } }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { margin: 0; } p.lead { margin: .25rem 0 1.5rem; color: var(--quiet); }
ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem;
  grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); }
li { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem; }
.pictures { display: grid; grid-template-columns: 1fr 1fr; gap: .5rem; }
img { width: 100%; aspect-ratio: 1; border-radius: .4rem; display: block; }
h2 { font-size: 1rem; margin: .75rem 0 .5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem .75rem; margin: 0; font-size: .9rem; }
dt { color: var(--quiet); } dd { margin: 0; }
.yes { color: var(--yes); } .yes::before { content: "✓ "; }
.no { color: var(--no); } .no::before { content: "✗ "; }
"""


def page(results: Sequence[DemoResult]) -> str:
    """Return the HTML document."""
    cards = "\n".join(_card(result) for result in results)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>brushwork demo</title>\n<style>{STYLE}</style>\n<h1>brushwork</h1>\n"
        '<p class="lead">Each picture was made from its prompt, then described, classified and segmented'
        " by three other models. Green agrees with the prompt.</p>\n"
        f"<ul>\n{cards}\n</ul>\n</html>\n"
    )


def _card(result: DemoResult) -> str:
    prompt = result.prompt
    facts = [
        ("caption", result.caption_text, result.caption_agrees),
        ("class", result.class_text, result.class_agrees),
        ("areas", result.areas_text, result.areas_agree),
    ]
    rows = "".join(
        f'<dt>{name}</dt><dd class="{"yes" if agrees else "no"}">{escape(value)}</dd>'
        for name, value, agrees in facts
    )
    return (
        f'<li><div class="pictures">{_image(result.png, prompt.text)}'
        f"{_image(result.overlay_png, 'the same picture with the segmented classes over it')}</div>"
        f'<h2 lang="{prompt.language}">{escape(prompt.text)}</h2>'
        f"<dl>{rows}<dt>seconds</dt><dd>{result.running_s:.2f}</dd></dl></li>"
    )


def _image(png: bytes, words: str) -> str:
    data = b64encode(png).decode("ascii")
    return f'<img src="data:image/png;base64,{data}" alt="{escape(words, quote=True)}">'
