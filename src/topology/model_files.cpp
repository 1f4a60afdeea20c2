// SPDX-License-Identifier: Apache-2.0
#include "topology/model_files.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>

namespace tutti::topology {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExtension = ".toml";
// Folders upwards from this code in which share/ is looked for: lib/x86_64-linux-gnu and build/tests/unit are the deepest.
constexpr int kMostFoldersUp = 4;
constexpr size_t kMostFiles = 10'000;

std::optional<fs::path> own_folder() {
  Dl_info info{};
  std::error_code error;
  if (dladdr(reinterpret_cast<const void*>(&own_folder), &info) == 0 || info.dli_fname == nullptr) {
    return std::nullopt;
  }
  fs::path own = fs::canonical(info.dli_fname, error);
  if (error) {  // started by a name that is not a path
    own = fs::canonical("/proc/self/exe", error);
  }
  return error ? std::nullopt : std::optional(own.parent_path());
}

// The part of a reference after the colon, if any, is taken away from it.
std::optional<std::string_view> take_shape(std::string_view& reference) {
  const size_t colon = reference.rfind(':');
  if (colon == std::string_view::npos || reference.find('/', colon) != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view shape = reference.substr(colon + 1);
  reference.remove_suffix(shape.size() + 1);
  return shape;
}

}  // namespace

std::vector<std::string> model_folders(std::string_view extra) {
  std::vector<std::string> folders;
  while (!extra.empty()) {
    const size_t colon = std::min(extra.find(':'), extra.size());
    if (colon > 0) {
      folders.emplace_back(extra.substr(0, colon));
    }
    extra.remove_prefix(std::min(colon + 1, extra.size()));
  }
  std::optional<fs::path> folder = own_folder();
  for (int up = 0; folder && up <= kMostFoldersUp; ++up) {
    const fs::path models = *folder / "share" / "tutti" / "topologies";
    std::error_code error;
    if (fs::is_directory(models, error)) {
      folders.push_back(models.string());
      break;
    }
    folder = folder->parent_path();
  }
  return folders;
}

std::vector<ModelFile> list_models(std::string_view extra) {
  std::map<std::string, std::string> paths;
  for (const std::string& folder : model_folders(extra)) {
    std::error_code error;
    size_t count = 0;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end && count < kMostFiles; entry.increment(error), ++count) {
      if (entry->path().extension() == kExtension) {
        paths.try_emplace(entry->path().stem().string(), entry->path().string());
      }
    }
  }
  std::vector<ModelFile> files;
  for (const auto& [name, path] : paths) {
    files.push_back({.name = name, .path = path});
  }
  return files;
}

Result<Model> read_model(const std::string& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) {
    return tl::make_unexpected(system_error(error ? error.value() : EINVAL, fmt::format("read {}", path)));
  }
  std::ifstream file(path, std::ios::binary);
  // One byte more than allowed shows that there are more.
  std::string text(kMostModelBytes + 1, '\0');
  errno = 0;
  if (!file.is_open() || (!file.read(text.data(), static_cast<std::streamsize>(text.size())) && !file.eof())) {
    return tl::make_unexpected(system_error(errno == 0 ? EIO : errno, fmt::format("read {}", path)));
  }
  text.resize(static_cast<size_t>(file.gcount()));
  return parse_model(text, path);
}

Result<ModelReference> find_model(std::string_view reference, std::string_view extra) {
  const std::optional<std::string_view> shape = take_shape(reference);
  ModelReference found{.path = std::string(reference), .shape = shape ? std::optional<std::string>(*shape) : std::nullopt};
  if (reference.find('/') != std::string_view::npos || reference.ends_with(kExtension)) {
    return found;
  }
  const std::vector<ModelFile> files = list_models(extra);
  const auto file = std::find_if(files.begin(), files.end(), [&](const ModelFile& candidate) { return candidate.name == reference; });
  if (file == files.end()) {
    return tl::make_unexpected(invalid_argument("no machine model is called \"{}\"; there are {} in {}", reference.substr(0, 64), files.size(),
                                                fmt::join(model_folders(extra), ", ")));
  }
  found.path = file->path;
  return found;
}

Result<Model> load_model(std::string_view reference, std::string_view extra) {
  const Result<ModelReference> found = find_model(reference, extra);
  if (!found) {
    return tl::make_unexpected(found.error());
  }
  Result<Model> model = read_model(found->path);
  if (model && found->shape) {
    TUTTI_UNEXPECTED_IF_ERROR(apply_shape(&*model, *found->shape));
  }
  return model;
}

}  // namespace tutti::topology
