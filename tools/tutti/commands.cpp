// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>

#include "base/settings.hpp"
#include "topology/model_files.hpp"

namespace tutti::tool {

void fail(ExitCode code, std::string_view message) {
  fmt::print(stderr, "tutti: {}\n", message);
  throw CLI::RuntimeError(code);
}

topology::Model require_model(std::string_view reference) {
  const auto found = topology::find_model(reference, Settings::environment().topology_path);
  if (!found) {
    fail(kWrongUsage, found.error().message() + "; `tutti topo list` names them");
  }
  auto model = topology::read_model(found->path);
  if (!model) {
    fail(kWrongInput, model.error().message());
  }
  if (found->shape) {
    if (const Status status = topology::apply_shape(&*model, *found->shape); !status.ok()) {
      fail(kWrongUsage, status.message());
    }
  }
  return std::move(*model);
}

void write_file(const std::string& path, std::string_view text) {
  if (path == "-") {
    fmt::print("{}", text);
    return;
  }
  std::FILE* file = std::fopen(path.c_str(), "wb");
  bool good = file != nullptr && std::fwrite(text.data(), 1, text.size(), file) == text.size();
  int error = errno;
  if (file != nullptr && std::fclose(file) != 0) {
    good = false;
    error = errno;
  }
  if (!good) {
    fail(kWrongInput, system_error(error, fmt::format("write {}", path)).message());
  }
}

}  // namespace tutti::tool
