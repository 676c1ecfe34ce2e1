// Browsers let no page that was opened as a file read another one, so search shows titles there, without extracts.
if (location.protocol === "file:") DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

// -ise and -ize are one to the search, and so are parametr- and parameter-, as in the index that docs/conf.py writes.
document.addEventListener("DOMContentLoaded", () => {
  const English = window.Stemmer;
  if (English) window.Stemmer = function () {
    const stemmer = new English();
    const plain = (word) => word.replace(/^(\w{4,})is(e[drs]?|ing|ations?)$/, "$1iz$2");
    this.stemWord = (word) => stemmer.stemWord(plain(word).replace(/parameteri(?=z)/, "parametri"));
  };
});
