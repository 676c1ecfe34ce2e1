"""Open every page of the built site in a browser and look: `python tools/test_site.py [FOLDER]`.

A part of `make docs-test`. Needs Chromium, from the system or named by the variable CHROMIUM.
Each page is read on a wide screen and on a phone, light and dark; each tutorial also as a file,
without a server. Pictures of some pages go to docs/_build/screenshots: look at them.
"""
import contextlib
import fnmatch
import functools
import http.server
import itertools
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from playwright.sync_api import Error, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SITE, PICTURES = ROOT / "docs/_build/html", ROOT / "docs/_build/screenshots"
MAX_SITE, MAX_PAGE = 15e6, 1.5e6  # bytes; the page without MathJax, which is loaded once
MAX_WORDS = 4000  # of prose on a page
WIDE, PHONE = 1400, 390  # pixels
N_START, N_PICTURES = 4, 12  # pages under "Start here", pictures in the gallery
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
VAE = "tutorials/02_variational_autoencoder.html"
SHOWN = ["index.html", "get_started.html", "gallery.html", "package.html", VAE,
         "tutorials/*_is_wrong.html", "*/*_face.html", "*/*_losses.html", "api/*.estimator.html",
         "explorer.html"]  # the first that fits is photographed
TEXT = """() => {
  const body = document.querySelector("article, main, body").cloneNode(true);
  const code = [...body.querySelectorAll("pre")].map(e => e.textContent).join("\\n");
  body.querySelectorAll("pre, script, style, svg, mjx-container").forEach(e => e.remove());
  const words = body.textContent.trim().split(/\\s+/).length;
  body.querySelectorAll("code").forEach(e => e.remove());
  return [body.textContent, code, words];
}"""
FORMULAS = """() => [document.querySelectorAll("mjx-merror").length,
  [...document.querySelectorAll("article .math")]
    .filter(e => !e.querySelector("mjx-container")).length]"""
CUT = """() => [...document.querySelectorAll("article .highlight pre")]
  .filter(e => !e.closest(".cell_output") && e.checkVisibility())
  .filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent.split("\\n").sort((a, b) => b.length - a.length)[0].slice(0, 60))"""
INK = """() => [...document.querySelectorAll("article p, article li, article td, article pre")]
  .filter(e => e.checkVisibility()).map(e => {
    const [r, g, b] = getComputedStyle(e).color.match(/[\\d.]+/g).map(Number);
    return (0.2126 * r + 0.7152 * g + 0.0722 * b) / 255;
  })"""
SIDEBAR = """() => [...document.querySelectorAll(".sidebar-tree .caption")].map(e => {
  const links = [...e.nextElementSibling.querySelectorAll("a")];
  return [e.textContent, links.map(a => a.getAttribute("href"))];
})"""
ADDRESSES = """() => [...document.querySelectorAll("a[href]")].map(e => e.href)"""
OUTSIDE = """() => [...document.querySelectorAll("article *")].filter(e => {
  if (e.getBoundingClientRect().right <= innerWidth + 1 || !e.checkVisibility()) return false;
  for (let up = e; up.tagName != "ARTICLE"; up = up.parentElement)
    if (up != e && getComputedStyle(up).overflowX != "visible" || up.tagName == "svg") return false;
  return true;
}).filter((e, i, all) => !all.includes(e.parentElement))
  .map(e => `${e.tagName} ${e.className}: ${e.textContent.trim().slice(0, 40)}`)"""
PICTURE = """() => [...document.querySelectorAll("article canvas")].map(c => c.toDataURL()).join() +
  [...document.querySelectorAll("article svg path, article svg polyline")]
    .map(p => p.getAttribute("d") || p.getAttribute("points")).join()"""


class Links(HTMLParser):
    """What a page links to, what it loads, its anchors, its pictures without a description."""

    def __init__(self, text: str):
        super().__init__()
        self.links, self.loads, self.anchors, self.silent = [], [], set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        """Take one tag in."""
        given = dict(attributes)
        self.anchors |= {given[key] for key in ("id", "name") if given.get(key)}
        if tag == "img" and not given.get("alt"):
            self.silent.append(given.get("src"))
        if given.get("src") and tag in {"img", "script", "iframe", "source"}:
            self.loads.append(given["src"])
        elif (
            given.get("href")
            and tag == "link"
            and {"stylesheet", "icon"} & set((given.get("rel") or "").split())
        ):
            self.loads.append(given["href"])
        elif given.get("href") and tag == "a":
            self.links.append(given["href"])


def test_files(site: Path) -> Iterator[str]:
    """Yield what is wrong with the files: sizes, dead links, pictures without a description."""
    total = sum(p.stat().st_size for p in site.rglob("*") if p.is_file())
    pages = {
        p.relative_to(site).as_posix(): Links(p.read_text(encoding="utf-8"))
        for p in sorted(site.rglob("*.html"))
    }
    heaviest = 0, ""
    if total > MAX_SITE:
        yield f"the site has {total / 1e6:.1f} MB"
    for name, page in pages.items():
        yield from (f"{name}: {src} has no alt text" for src in page.silent)
        weight = (site / name).stat().st_size
        for address in page.links + page.loads:
            if urlsplit(address).scheme or address.startswith("//"):
                if address in page.loads:
                    yield f"{name} loads {address}"
                continue
            path, anchor = urldefrag(unquote(urljoin(name, address)))
            target = site / urlsplit(path).path
            if not target.is_file():
                yield f"{name} links to {address}, which is not there"
            elif anchor and path in pages and anchor not in pages[path].anchors:
                yield f"{name} links to {address}, where there is no such place"
            elif address in page.loads and "tex-svg" not in path:
                weight += target.stat().st_size
        heaviest = max(heaviest, (weight, name))
        if weight > MAX_PAGE:
            yield f"{name} weighs {weight / 1e6:.1f} MB"
    weight, name = heaviest
    print(f"{len(pages)} pages, {total / 1e6:.1f} MB; heaviest: {name}, {weight / 1e6:.2f} MB")


class Visitor:
    """A page of the browser that remembers what went wrong in it."""

    def __init__(self, browser, base: str, **options):
        self.base, self.wrong = base, []
        self.page: Page = browser.new_context(
            viewport={"width": WIDE, "height": 900}, **options
        ).new_page()
        self.page.on(
            "console",
            lambda message: (
                message.type == "error" and self.wrong.append(f"console: {message.text}")
            ),
        )
        self.page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        self.page.on("requestfailed", self.note_failure)
        self.page.on(
            "response",
            lambda reply: reply.status >= 400 and self.wrong.append(f"{reply.url}: {reply.status}"),
        )
        self.page.route(lambda url: not url.startswith((base, "data:", "blob:")), self.refuse)

    def note_failure(self, request) -> None:
        """Note a request that failed, unless the page was left before it was answered."""
        if "ERR_ABORTED" not in (request.failure or ""):
            self.wrong.append(f"{request.url} failed: {request.failure}")

    def refuse(self, route) -> None:
        """Note a request that leaves the site, and stop it."""
        self.wrong.append(f"asks for {route.request.url}")
        route.abort()

    def open(self, name: str) -> list[str]:
        """Open a page, wait until its formulas are drawn, and return what went wrong until then."""
        self.wrong.clear()
        self.page.goto(self.base + name, wait_until="load")
        self.page.evaluate(
            "async () => { if (window.MathJax?.startup) await MathJax.startup.promise }"
        )
        return list(dict.fromkeys(self.wrong))


def test_page(visitor: Visitor, name: str) -> Iterator[str]:
    """Yield what is wrong with one page."""
    yield from visitor.open(name)
    prose, code, words = visitor.page.evaluate(TEXT)
    if words > MAX_WORDS:
        yield f"it has {words} words"
    yield from (
        f"it shows a raw $: {match[0]!r}" for match in re.finditer(r".{0,20}\$.{0,20}", prose)
    )
    yield from (f"it shows {mark}" for mark in ("#|", ":::") if mark in prose or mark in code)
    errors, undrawn = visitor.page.evaluate(FORMULAS)
    if errors or undrawn:
        yield f"{errors} formulas are wrong, {undrawn} are not drawn"
    yield from (f"a line of code is cut off: {line}" for line in visitor.page.evaluate(CUT))
    for scheme, width in itertools.product(("light", "dark"), (PHONE, WIDE)):
        visitor.page.emulate_media(color_scheme=scheme)
        visitor.page.set_viewport_size({"width": width, "height": 900})
        yield from (f"{scheme}, {width} pixels: {line}" for line in test_view(visitor.page, scheme))


def test_view(page: Page, scheme: str) -> Iterator[str]:
    """Yield what is wrong with a page as it is shown now: too wide, or text like its ground."""
    width = page.viewport_size["width"]
    if (shown := page.evaluate("document.documentElement.scrollWidth")) > width:
        yield f"it is {shown} pixels wide"
    yield from (f"wider than the screen: {what}" for what in page.evaluate(OUTSIDE))
    ink = page.evaluate(INK)
    wrong = sum(light < 0.5 if scheme == "dark" else light > 0.5 for light in ink)
    if wrong:
        yield f"{wrong} of {len(ink)} paragraphs are hard to read"


def test_search(visitor: Visitor, word: str, name: str) -> Iterator[str]:
    """Yield whether a search from the front page misses a page."""
    yield from visitor.open("index.html")
    visitor.page.fill("input[name=q]", word)
    visitor.page.press("input[name=q]", "Enter")
    with contextlib.suppress(Error):
        visitor.page.wait_for_selector("#search-results .search-summary", timeout=10_000)
        visitor.page.wait_for_selector(f"#search-results a[href*='{name}']", timeout=10_000)
    found = visitor.page.eval_on_selector_all(
        "#search-results a", "links => links.map(a => a.getAttribute('href'))"
    )
    if not any(name in address for address in found):
        yield f"a search for {word} at {visitor.base.split(':')[0]} finds {found}, not {name}"
    visitor.page.wait_for_timeout(500)  # for the extracts
    yield from dict.fromkeys(visitor.wrong)


def test_offline(reader: Visitor, name: str) -> Iterator[str]:
    """Yield which links of a page lead nowhere when it was opened as a file."""
    yield from reader.open(name)
    for address in dict.fromkeys(reader.page.evaluate(ADDRESSES)):
        path, anchor = urldefrag(address)
        if not path.startswith("file:"):
            continue
        target = Path(unquote(urlsplit(path).path))
        if not target.is_file():
            yield f"{address} is no file"
        elif anchor and unquote(anchor) not in Links(target.read_text(encoding="utf-8")).anchors:
            yield f"{address} is no place there"


def test_sidebar(visitor: Visitor) -> Iterator[str]:
    """Yield what is missing in the sidebar of the front page, or is too much."""
    yield from visitor.open("index.html")
    found = visitor.page.evaluate(SIDEBAR)
    captions = [caption for caption, _ in found]
    if captions != ["Start here", "The story", "Pictures and help", "How the package works"]:
        yield f"its captions are {captions}"
    elif len(found[0][1]) != N_START or not {"gallery.html", "package.html"} <= {
        page for _, pages in found[2:] for page in pages
    }:
        yield f"it leads to {found}"


def test_gallery(visitor: Visitor) -> Iterator[str]:
    """Yield which pictures of the gallery do not lead to a cell with that picture's text."""
    yield from visitor.open("gallery.html")
    pictures = visitor.page.eval_on_selector_all(
        ".gallery a", "all => all.map(a => [a.href, a.querySelector('img').alt])"
    )
    if len(pictures) < N_PICTURES:
        yield f"there are {len(pictures)} pictures"
    for address, alt in pictures:
        yield from visitor.open(address.removeprefix(visitor.base))
        name = urldefrag(address)[1]
        found = visitor.page.eval_on_selector_all(
            f"[id='{name}'] img", "all => all.map(e => e.alt)"
        )
        if alt not in found:
            yield f"{name} shows {found} instead of {alt!r}"


def test_story(visitor: Visitor, story: list[str]) -> Iterator[str]:
    """Yield where the links to the next and the previous page leave the story."""
    for way, order in (("next", story), ("prev", story[::-1])):
        visitor.open(order[0])
        for name in order[1:]:
            visitor.page.click(f".related-pages a.{way}-page")
            visitor.page.wait_for_load_state()
            found = visitor.page.url.removeprefix(visitor.base)
            if found != name:
                yield f"{way} leads to {found} instead of {name}"
                break


def test_explorer(visitor: Visitor) -> Iterator[str]:
    """Yield whether a slider of the explorer leaves its curve as it was."""
    yield from visitor.open("explorer.html")
    slider = visitor.page.locator("article input[type=range]").first
    slider.wait_for(timeout=5000)
    visitor.page.wait_for_timeout(300)
    before = visitor.page.evaluate(PICTURE)
    slider.focus()
    for _ in range(5):
        visitor.page.keyboard.press("ArrowRight")
    visitor.page.wait_for_timeout(300)
    if not before or visitor.page.evaluate(PICTURE) == before:
        yield "the slider does not move the curve"
    yield from dict.fromkeys(visitor.wrong)


def take_pictures(browser, base: str, names: list[str]) -> None:
    """Photograph pages, light and dark, on a screen and on a phone."""
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    for scheme, width, height in (
        ("light", WIDE, 1600),
        ("dark", WIDE, 1600),
        ("light", PHONE, 1700),
        ("dark", PHONE, 1700),
    ):
        visitor = Visitor(browser, base, color_scheme=scheme)
        visitor.page.set_viewport_size({"width": width, "height": height})
        for name in names:
            visitor.open(name)
            file = f"{name.removesuffix('.html').replace('/', '-')}-{scheme}-{width}"
            visitor.page.screenshot(path=PICTURES / f"{file}.png")
            if name != "index.html" and visitor.page.locator("article img").count():
                visitor.page.locator("article img").nth(
                    2 if name == VAE else 0
                ).scroll_into_view_if_needed()
                visitor.page.screenshot(path=PICTURES / f"{file}-figure.png")
        visitor.page.context.close()


@contextlib.contextmanager
def served(site: Path) -> Iterator[str]:
    """Serve a folder on this machine while the block runs; give its address."""
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=site)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def main() -> int:
    """Make all tests, print what failed and return the exit status."""
    site = Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE
    chromium = (
        os.environ.get("CHROMIUM")
        or shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    if not (site / "index.html").exists() or not chromium:
        print(
            "there is no site; `make docs` builds it"
            if chromium
            else "there is no Chromium: install it, or name it in CHROMIUM",
            file=sys.stderr,
        )
        return 2
    pages = sorted(p.relative_to(site).as_posix() for p in site.rglob("*.html"))
    tutorials = [name for name in pages if name.startswith("tutorials/")]
    shown = [name for pattern in SHOWN for name in fnmatch.filter(pages, pattern)[:1]]
    results = {"files": list(test_files(site))}
    with (
        served(site) as base,
        tempfile.TemporaryDirectory() as home,
        sync_playwright() as playwright,
    ):
        os.environ["HOME"] = home  # your own settings are not for a test
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        visitor, reader = Visitor(browser, base), Visitor(browser, f"{site.as_uri()}/")
        results |= {name: list(test_page(visitor, name)) for name in pages}
        results |= {f"{name}, as a file": list(test_offline(reader, name))
                    for name in dict.fromkeys(shown + tutorials)}
        visitor.open("index.html")
        story = dict(visitor.page.evaluate(SIDEBAR)).get("The story", [])
        results |= {"search over http": list(test_search(visitor, "reparametrization", VAE)),
                    "search over file": list(test_search(reader, "reparametrization", VAE)),
                    "the sidebar": list(test_sidebar(visitor)),
                    "the gallery": list(test_gallery(visitor)),
                    "previous and next": list(test_story(visitor, story))}
        if "explorer.html" in pages:
            results["the explorer"] = list(test_explorer(visitor))
        take_pictures(browser, base, shown)
        browser.close()
    failed = {what: lines for what, lines in results.items() if lines}
    for what, lines in failed.items():
        print(f"FAILED  {what}", *(f"          {line}" for line in lines), sep="\n")
    print(f"pictures to look at: {PICTURES.relative_to(ROOT)}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
