// A partition that `flsim partition --out FILE`, or any writer of safetensors, has written.
#include "datasets/partition.h"

namespace flsim {
namespace {

class File : public Partitioner {
 public:
  struct Options {
    std::string path;
    template <class V>
    void Visit(V& v) {
      v(path, "path",
        "Safetensors file with int64 offsets [clients + 1] and indices, and the data set's hash.");
    }
    void Check(Problems& problems, const std::string& at) {
      if (path.empty()) {
        problems.Add(JoinPath(at, "path"),
                     "missing; name a file that 'flsim partition --out FILE' has written");
      }
    }
  };
  File(const Options& options, const Context&) : options_(options) {}

  int64_t clients() const override { return -1; }
  int32_t bins() const override { return 0; }

  Partition Split(const PartitionInput& input, Rng) const override {
    return LoadPartition(options_.path, input);
  }

 private:
  Options options_;
};

FLSIM_REGISTER(Partitioner, File, "file", "Read from a file.");

}  // namespace
}  // namespace flsim
