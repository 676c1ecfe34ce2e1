"""How the self-tests of the tools end."""


def verdict(results: dict[str, str]) -> int:
    """Print each test that failed and how many there were; return the exit status.

    A test without a reason has passed.
    """
    failed = {what: reason for what, reason in results.items() if reason}
    for what, reason in failed.items():
        print(f"FAILED  {what}: {reason}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return int(bool(failed))
