// SPDX-License-Identifier: Apache-2.0
// Where model files lie.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.hpp"
#include "topology/model.hpp"

namespace tutti::topology {

struct ModelFile {
  std::string name;
  std::string path;
};

// Folders that are searched, in order: those of `extra`, which are separated by colons, then share/tutti/topologies beside the program or library
// that this code is in, which an installation and a build both have.
std::vector<std::string> model_folders(std::string_view extra);
// One for each name, the first folder's, by name.
std::vector<ModelFile> list_models(std::string_view extra);

struct ModelReference {
  std::string path;
  std::optional<std::string> shape;
};
// "NAME", "NAME:SHAPE", or a path, which has a slash or ends in ".toml", with or without a shape. Does not look whether the path is there. Errors:
// tuttiInvalidArgument for a name that no file has.
Result<ModelReference> find_model(std::string_view reference, std::string_view extra);
// Reads a regular file of at most kMostModelBytes. Errors: tuttiSystemError for one that cannot be read, tuttiInvalidArgument for one that is wrong.
Result<Model> read_model(const std::string& path);
// Finds it, reads it and applies the shape.
Result<Model> load_model(std::string_view reference, std::string_view extra);

}  // namespace tutti::topology
