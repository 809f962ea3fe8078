"""Finds Chart.js, which draws the charts of reports, in Debian's package libjs-chart.js."""

_FILES = {
    "chart.min.js": "/usr/share/javascript/chart.js/chart.min.js",
    "copyright": "/usr/share/doc/libjs-chart.js/copyright",
}

_BUILD = """
filegroup(
    name = "chartjs",
    srcs = ["chart.min.js", "copyright"],
    visibility = ["//visibility:public"],
)
"""

def _chartjs_impl(ctx):
    for name, path in _FILES.items():
        if not ctx.path(path).exists:
            fail("%s is not there; run tools/setup first" % path)
        ctx.symlink(path, name)
    script = _FILES["chart.min.js"]
    if "Chart.js v3." not in ctx.read(script)[:200]:
        fail("%s is not Chart.js 3, which the report's page is written for" % script)
    ctx.file("BUILD.bazel", _BUILD)

chartjs_repository = repository_rule(
    implementation = _chartjs_impl,
    local = True,
)
