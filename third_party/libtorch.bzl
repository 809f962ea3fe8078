"""Finds LibTorch in the environment that tools/setup made under .deps/venv."""

_BUILD = """
package(default_visibility = ["//visibility:public"])

cc_library(
    name = "libtorch",
    hdrs = glob(["include/ATen/**/*.h", "include/c10/**/*.h", "include/torch/headeronly/**/*.h"]),
    includes = ["include"],
    srcs = ["lib/libtorch_cpu.so", "lib/libc10.so"],
    linkopts = [
        "-Wl,-rpath,{lib}",
        "-Wl,-rpath,{cuda}",
        "-Wl,--disable-new-dtags",
        "{cuda}/libcudart.so.13",
        "{cuda}/libcupti.so.13",
    ],
)
"""

def _libtorch_impl(ctx):
    root = ctx.path(Label("//:WORKSPACE")).dirname
    found = ctx.execute(["sh", "-c", "ls -d %s/.deps/venv/lib/python3*/site-packages" % root])
    packages = found.stdout.strip()
    if found.return_code != 0 or not ctx.path(packages + "/torch/lib/libtorch_cpu.so").exists:
        fail("LibTorch is not installed under .deps; run tools/setup first")
    ctx.symlink(packages + "/torch/include", "include")
    ctx.symlink(packages + "/torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so")
    ctx.symlink(packages + "/torch/lib/libc10.so", "lib/libc10.so")
    ctx.file("BUILD.bazel", _BUILD.format(lib = packages + "/torch/lib", cuda = packages + "/nvidia/cu13/lib"))

libtorch_repository = repository_rule(
    implementation = _libtorch_impl,
    local = True,
)
