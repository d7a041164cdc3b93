#!/usr/bin/env python3
"""Makes functions of the C++ pieces of a guide: guide_snippets.py guide.md > guide_snippets.inc

Each piece gets its own function, and what a reader has by then: `target` and `second_target`, a pool and a stub.
"""
import re
import sys

PROLOGUE = """  ChannelPoolOptions options;
  options.target = target;
  [[maybe_unused]] const std::shared_ptr<ChannelPool> pool = *ChannelPool::Create(options);
"""


def main():
    with open(sys.argv[1], encoding="utf-8") as guide:
        pieces = re.findall(r"^```cpp\n(.*?)^```$", guide.read(), re.MULTILINE | re.DOTALL)
    names = []
    for number, piece in enumerate(pieces, 1):
        names.append(f"Piece{number}")
        print(f"absl::Status {names[-1]}(const std::string& target, [[maybe_unused]] const std::string& second_target) {{")
        print(PROLOGUE + "  {\n" + piece + "  }\n  return absl::OkStatus();\n}\n")
    print("constexpr Piece kPieces[] = {" + ", ".join(names) + "};")


if __name__ == "__main__":
    main()
