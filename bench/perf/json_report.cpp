// SPDX-License-Identifier: Apache-2.0
#include "json_report.hpp"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <string_view>

#include "rank.hpp"

namespace tutti::perf {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFileVersion = 1;
constexpr int kMostNames = 10'000;

class File {
 public:
  explicit File(const std::string& wanted) : path_(wanted) {
    for (int attempt = 0; attempt < kMostNames; ++attempt) {
      descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
      if (descriptor_ >= 0) return;
      if (errno != EEXIST) throw Failure(fmt::format("--output_file: cannot create '{}': {}", path_, std::strerror(errno)));
      path_ = fmt::format("{}.{}", wanted, attempt);
    }
    throw Failure(fmt::format("--output_file: '{}' and {} names after it exist", wanted, kMostNames));
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }

  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw Failure(fmt::format("--output_file: cannot write '{}': {}", path_, std::strerror(errno)));
      text.remove_prefix(static_cast<size_t>(written));
    }
  }

 private:
  std::string path_;
  int descriptor_ = -1;
};

std::string now() { return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(std::time(nullptr))); }

Json environment() {
  Json variables = Json::array();
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (std::string_view(*variable).starts_with("TUTTI_")) variables.push_back(*variable);
  }
  return variables;
}

Json configuration(const RunInfo& run) {
  const Options& options = run.options;
  Json config;
  config["nthreads"] = options.thread_count;
  config["minimum_bytes"] = options.min_bytes;
  config["maximum_bytes"] = options.max_bytes;
  if (options.step_factor > 1) {
    config["step_factor"] = options.step_factor;
  } else {
    config["step_bytes"] = options.step_bytes;
  }
  config["warmup_iters"] = options.warmup_iterations;
  config["iterations"] = options.iterations;
  config["aggregated_iterations"] = options.aggregated;
  config["validation"] = options.check_iterations;
  config["blocking_collectives"] = options.waiting == Waiting::after_each_call;
  config["ranks"] = run.ranks;
  return config;
}

Json measurement(const Measurement& value) {
  Json json;
  json["time"] = value.time_us;
  json["alg_bw"] = value.bandwidth.algorithm_gb_per_s;
  json["bus_bw"] = value.bandwidth.bus_gb_per_s;
  json["nwrong"] = value.wrong ? Json(*value.wrong) : Json(nullptr);
  if (value.per_iteration) {
    const Distribution& each = *value.per_iteration;
    json["per_iteration"] = {
        {"min", each.least}, {"median", each.median}, {"p99", each.percentile_99}, {"max", each.greatest}};
  }
  return json;
}

}  // namespace

struct JsonReport::Document {
  File file;
  Json json;
};

JsonReport::JsonReport(const RunInfo& run) : document_(new Document{File(run.options.output_file), Json()}) {
  Json& json = document_->json;
  json["version"] = kFileVersion;
  json["start_time"] = now();
  json["program"] = run.program;
  json["collective"] = run.collective;
  json["args"] = run.arguments;
  json["env"] = environment();
  json["tutti_version"] = TUTTI_VERSION_CODE;
  json["config"] = configuration(run);
  json["results"] = Json::array();
}

JsonReport::~JsonReport() = default;

const std::string& JsonReport::path() const { return document_->file.path(); }

void JsonReport::add(const Row& row) {
  Json json;
  json["size"] = row.bytes;
  json["count"] = row.count;
  json["type"] = row.datatype;
  json["redop"] = row.op;
  json["root"] = row.root;
  json["out_of_place"] = measurement(row.out_of_place);
  json["in_place"] = row.in_place ? measurement(*row.in_place) : Json(nullptr);
  document_->json["results"].push_back(std::move(json));
}

void JsonReport::finish(const Summary& summary) {
  Json& json = document_->json;
  json["out_of_bounds"] = {{"count", summary.failed_checks}, {"okay", summary.failed_checks == 0}};
  json["average_bus_bandwidth"] = {{"bandwidth", summary.average_bus_gb_per_s()}, {"okay", "unchecked"}};
  json["end_time"] = now();
  document_->file.write(json.dump(2) + "\n");
}

}  // namespace tutti::perf
