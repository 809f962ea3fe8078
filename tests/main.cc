// Catch2's main, and one closing line that ./test adds up: "N passed, N failed, N skipped".
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>
#include <iostream>

#include "tests/skip.h"

namespace {
int g_passed = 0, g_failed = 0, g_skipped = 0;
bool g_skip_this = false;

struct Counter : Catch::TestEventListenerBase {
  using TestEventListenerBase::TestEventListenerBase;
  void testCaseStarting(const Catch::TestCaseInfo&) override { g_skip_this = false; }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    if (!stats.totals.assertions.allOk())
      ++g_failed;
    else if (g_skip_this)
      ++g_skipped;
    else
      ++g_passed;
  }
};
CATCH_REGISTER_LISTENER(Counter)
}  // namespace

namespace flsim {
void Skip(const std::string& reason) {
  g_skip_this = true;
  std::cout << "skipped: " << reason << "\n";
}
}  // namespace flsim

int main(int argc, char** argv) {
  const int failed = Catch::Session().run(argc, argv);
  std::cout << "flsim-tests: " << g_passed << " passed, " << g_failed << " failed, " << g_skipped
            << " skipped" << std::endl;
  return failed;
}
