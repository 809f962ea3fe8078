"""Writes files into a C++ source: embed_files.py OUT FILE...

OUT defines flsim::PageFile(name), declared in engine/analysis/page.h, which finds a file by the
last part of its path.
"""
import pathlib
import sys

HEAD = """// Written by tools/embed_files.py.
#include "engine/analysis/page.h"
#include "engine/core/error.h"

namespace flsim {
namespace {

struct File {
  std::string_view name, bytes;
};

constexpr File kFiles[] = {
"""

TAIL = """};

}  // namespace

std::string_view PageFile(std::string_view name) {
  for (const File& file : kFiles)
    if (file.name == name) return file.bytes;
  FLSIM_CHECK(false, name);
  return {};
}

}  // namespace flsim
"""

LINE = 1000


def escaped(byte):
    """A byte as it stands in a string literal; octal, because three digits end by themselves."""
    plain = 32 <= byte < 127 and chr(byte) not in '"\\?'
    return chr(byte) if plain else f"\\{byte:03o}"


def literal(content):
    lines = [content[i:i + LINE] for i in range(0, len(content), LINE)] or [b""]
    return "\n".join('     "' + "".join(map(escaped, line)) + '"' for line in lines)


def main():
    out, *files = sys.argv[1:]
    entries = []
    for file in files:
        content = pathlib.Path(file).read_bytes()
        entries.append(f'    {{"{pathlib.Path(file).name}",\n     {{\n{literal(content)},\n'
                       f"      {len(content)}}}}},\n")
    pathlib.Path(out).write_text(HEAD + "".join(entries) + TAIL)


main()
