"""Adds up what ./test ran: sum_tests.py EVENTS BAZEL_STATUS RESULTS

EVENTS is Bazel's build events as JSON lines, RESULTS has one line "passed" or "failed" for each
check that Bazel did not run. Prints what failed, why tests were skipped and, as the last line,
"N passed, N failed[, N skipped]". Exit status 0 if nothing failed.
"""
import collections
import json
import pathlib
import re
import sys
import urllib.parse

CLOSING_LINE = re.compile(r"^flsim-tests: (\d+) passed, (\d+) failed, (\d+) skipped$", re.M)


def read_events(path):
    """The tests, what Bazel says of each, its log, and the other targets that did not build."""
    tests, status, logs, built = set(), {}, {}, {}
    for line in pathlib.Path(path).read_text().splitlines() if pathlib.Path(path).exists() else []:
        event = json.loads(line)
        kind, identity = next(iter(event["id"].items()))
        label = identity.get("label")
        if kind == "targetConfigured" and "testSize" in event.get("configured", {}):
            tests.add(label)
        elif kind == "targetCompleted":
            built[label] = event.get("completed", {}).get("success", False)
        elif kind == "testSummary":
            status[label] = event["testSummary"]["overallStatus"]
        elif kind == "testResult":
            for output in event["testResult"].get("testActionOutput", []):
                if output["name"] == "test.log":
                    logs[label] = urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
    unbuilt = [label for label, ok in built.items() if not ok and label not in tests]
    return tests, status, logs, unbuilt


def main():
    events, bazel_status, results = sys.argv[1:]
    tests, status, logs, unbuilt = read_events(events)
    passed = failed = skipped = 0
    reasons = collections.Counter()
    for label in sorted(tests):
        log = pathlib.Path(logs.get(label, "/nonexistent"))
        text = log.read_text(errors="replace") if log.is_file() else ""
        sums = CLOSING_LINE.findall(text)
        here = int(sums[-1][1]) if sums else 0
        if sums:
            passed += int(sums[-1][0])
            skipped += int(sums[-1][2])
        reasons.update(re.findall(r"^skipped: (.*)$", text, re.M))
        good = status.get(label) == "PASSED"
        if (not good or not sums) and here == 0:
            here = 1
        if here:
            what = "did not build" if label not in status else status[label]
            print(f"FAILED: {label} ({what if not good else 'no closing line'})")
        failed += here
    for label in sorted(unbuilt):
        print(f"FAILED: {label} did not build")
        failed += 1
    if int(bazel_status) != 0 and failed == 0:
        print(f"FAILED: bazel test (status {bazel_status})")
        failed += 1
    outcomes = pathlib.Path(results).read_text().split()
    passed += outcomes.count("passed")
    failed += outcomes.count("failed")
    for reason, count in sorted(reasons.items()):
        print(f"skipped: {reason}" + (f" ({count} tests)" if count > 1 else ""))
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 0 if failed == 0 else 1


sys.exit(main())
