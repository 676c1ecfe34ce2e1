"""How the self-tests of the tools end."""


def verdict(results: dict[str, str]) -> int:
    """Print each test that failed, with its reason, and how many there were; return the exit status. No reason means passed."""
    failed = {what: reason for what, reason in results.items() if reason}
    print(*(f"FAILED  {what}: {reason}" for what, reason in failed.items()), sep="\n", end="\n" if failed else "")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))
