// Runs the built program as a user would.
#pragma once

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine/core/files.h"
#include "tests/temp_folder.h"

namespace flsim {

struct ProgramResult {
  int exit_code = -1;  ///< -1: ended by a signal
  std::string out, err;
};

/// A started program, its output going to files in a folder of its own.
class Program {
 public:
  /// `prepare` runs in the child before the program starts.
  explicit Program(const std::vector<std::string>& arguments,
                   const std::function<void()>& prepare = {}) {
    std::vector<std::string> all = {"./flsim"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const std::string out = folder_ / "out", err = folder_ / "err";
    // Made here: a child may be killed before it could.
    WriteFileAtomically(out, "");
    WriteFileAtomically(err, "");
    child_ = fork();
    if (child_ < 0) throw std::runtime_error("can't fork");
    if (child_ != 0) return;
    if (std::freopen(out.c_str(), "w", stdout) == nullptr ||
        std::freopen(err.c_str(), "w", stderr) == nullptr)
      _exit(99);
    if (prepare) prepare();
    std::vector<char*> argv;
    for (std::string& argument : all) argv.push_back(argument.data());
    argv.push_back(nullptr);
    execv(argv[0], argv.data());
    _exit(98);
  }

  void Signal(int signal) const { kill(child_, signal); }

  /// True while it has not ended.
  bool Running() {
    if (ended_) return false;
    ended_ = waitpid(child_, &status_, WNOHANG) == child_;
    return !ended_;
  }

  ProgramResult Wait() {
    if (!ended_) waitpid(child_, &status_, 0);
    ended_ = true;
    return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -1, ReadFile(folder_ / "out"),
            ReadFile(folder_ / "err")};
  }

 private:
  TempFolder folder_;
  pid_t child_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

/// Writes a config into a folder and returns its path.
inline std::string Write(const TempFolder& folder, const std::string& name,
                         const std::string& text) {
  WriteFileAtomically(folder / name, text);
  return folder / name;
}

inline ProgramResult RunProgram(const std::vector<std::string>& arguments) {
  return Program(arguments).Wait();
}

}  // namespace flsim
