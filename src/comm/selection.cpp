// SPDX-License-Identifier: Apache-2.0
#include "comm/selection.hpp"

#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "registry/registry.hpp"
#include "transport/plugin_loader.hpp"

namespace tutti::comm {

namespace {

std::vector<std::string> split(std::string_view words, char separator) {
  std::vector<std::string> parts;
  while (!words.empty()) {
    const size_t end = words.find(separator);
    parts.emplace_back(words.substr(0, end));
    words = end == std::string_view::npos ? std::string_view{} : words.substr(end + 1);
  }
  return parts;
}

// What TUTTI_TRANSPORTS says.
class Wish {
 public:
  explicit Wish(std::string_view words)
      : excludes_(words.starts_with('^')), is_empty_(words.empty()), names_(split(excludes_ ? words.substr(1) : words, ',')) {}

  const std::vector<std::string>& names() const { return names_; }
  // Whether it is a list of what may be used.
  bool is_list() const { return !is_empty_ && !excludes_; }
  bool names(std::string_view name) const { return std::ranges::find(names_, name) != names_.end(); }
  // Empty if the transport may be used, else why not.
  std::string objection(std::string_view name, bool automatic) const {
    if (is_list()) {
      return names(name) ? "" : "not named";
    }
    return names(name) ? "excluded" : automatic ? "" : "used only if it is named";
  }

 private:
  bool excludes_;
  bool is_empty_;
  std::vector<std::string> names_;
};

bool contains(const std::vector<TransportCandidate>& candidates, std::string_view name) {
  return std::ranges::find(candidates, name, &TransportCandidate::name) != candidates.end();
}

void best_first(Selection& selection) { std::ranges::stable_sort(selection.candidates, std::ranges::greater{}, &TransportCandidate::preference); }

bool is_built_in(std::string_view name) {
  return std::ranges::any_of(registry::transport_types(), [&](const auto type) { return type().name == name; });
}

void add_built_in(const Wish& wish, Selection& selection) {
  for (const auto row : registry::transport_types()) {
    const transport::TransportType& type = row();
    const std::string objection = wish.objection(type.name, true);
    if (type.automatic && objection.empty()) {
      selection.candidates.push_back({.name = std::string(type.name), .preference = type.preference, .create = type.create});
    } else if (type.automatic) {
      selection.left_out.push_back({std::string(type.name), objection});
    }
  }
}

void add_plugin(const Wish& wish, const transport::PluginType& type, Selection& selection) {
  if (const std::string objection = wish.objection(type.name(), type.automatic()); !objection.empty()) {
    selection.left_out.push_back({type.name(), objection});
    return;
  }
  selection.candidates.push_back({.name = type.name(),
                                  .preference = type.preference(),
                                  .create = [type](const transport::TransportContext& context) { return type.create(context); }});
}

// Those of TUTTI_TRANSPORT_PLUGINS. Their files have any name, so each is loaded.
Status add_named_files(const SelectionRequest& request, const Wish& wish, Selection& selection) {
  for (const std::string& path : split(request.plugin_files, ':')) {
    if (!path.starts_with('/')) {
      return invalid_argument("TUTTI_TRANSPORT_PLUGINS: \"{}\" is no absolute path", path);
    }
    const Result<transport::PluginType>& type = transport::load_plugin(path);
    if (!type) {
      selection.left_out.push_back({path, type.error().message()});
    } else if (is_built_in(type->name()) || contains(selection.candidates, type->name())) {
      selection.left_out.push_back({path, fmt::format("another transport is called \"{}\" too", type->name())});
    } else {
      add_plugin(wish, *type, selection);
    }
  }
  return {};
}

std::map<std::string, std::string> installed(const SelectionRequest& request) {
  return request.folder.empty() ? std::map<std::string, std::string>() : transport::plugins_in(std::string(request.folder));
}

// Those of the tree that are missing from the folder, if they are wished for.
void add_missing(const SelectionRequest& request, const Wish& wish, const std::map<std::string, std::string>& files, Selection& selection) {
  for (const std::string_view name : registry::plugin_transports()) {
    if (files.contains(std::string(name)) || contains(selection.candidates, name)) {
      continue;
    }
    std::string why = wish.objection(name, true);
    if (why.empty() && request.folder.empty()) {
      why = "not installed: Tutti is linked into the program, and TUTTI_TRANSPORT_PLUGINS names no file for it";
    } else if (why.empty()) {
      why = fmt::format("not installed: there is no {}/{}", request.folder, transport::plugin_file_name(name));
    }
    selection.left_out.push_back({std::string(name), std::move(why)});
  }
}

void add_installed(const SelectionRequest& request, const Wish& wish, Selection& selection) {
  const auto files = installed(request);
  for (const auto& [name, path] : files) {
    if (contains(selection.candidates, name)) {
      continue;
    }
    if (std::string objection = wish.objection(name, true); !objection.empty()) {
      selection.left_out.push_back({name, std::move(objection)});
      continue;
    }
    const Result<transport::PluginType>& type = transport::load_plugin(path);
    if (!type) {
      selection.left_out.push_back({name, type.error().message()});
    } else if (type->name() != name || is_built_in(name)) {
      selection.left_out.push_back({name, fmt::format("the transport of {} is called \"{}\"", path, type->name())});
    } else {
      add_plugin(wish, *type, selection);
    }
  }
  add_missing(request, wish, files, selection);
}

// Every word names a transport, be it there or not.
Status check_names(const SelectionRequest& request, const Wish& wish, const Selection& named_files) {
  std::vector<std::string> known;
  const auto add = [&](std::string_view name) {
    if (std::ranges::find(known, name) == known.end()) {
      known.emplace_back(name);
    }
  };
  for (const auto type : registry::transport_types()) {
    if (type().automatic) {
      add(type().name);
    }
  }
  std::ranges::for_each(named_files.candidates, [&](const TransportCandidate& candidate) { add(candidate.name); });
  for (const LeftOut& one : named_files.left_out) {
    if (!one.name.starts_with('/')) {  // else a file that could not be used
      add(one.name);
    }
  }
  std::ranges::for_each(registry::plugin_transports(), add);
  for (const auto& [name, path] : installed(request)) {
    add(name);
  }
  for (const std::string& word : wish.names()) {
    if (std::ranges::find(known, word) == known.end()) {
      return invalid_argument("TUTTI_TRANSPORTS: \"{}\" is no transport; there are {}{}{}", word, fmt::join(known, ", "),
                              named_files.left_out.empty() ? "" : "; ", to_string(named_files.left_out));
    }
  }
  return {};
}

}  // namespace

std::string to_string(const std::vector<LeftOut>& left_out) {
  std::vector<std::string> lines;
  std::ranges::transform(left_out, std::back_inserter(lines), [](const LeftOut& one) { return fmt::format("{}: {}", one.name, one.why); });
  return fmt::format("{}", fmt::join(lines, "; "));
}

Status nothing_left(std::string_view words, const std::vector<LeftOut>& left_out) {
  return invalid_argument("TUTTI_TRANSPORTS: \"{}\" leaves no transport: {}", words, to_string(left_out));
}

Result<Selection> select_transports(const SelectionRequest& request) {
  const Wish wish(request.words);
  Selection selection;
  TUTTI_UNEXPECTED_IF_ERROR(add_named_files(request, wish, selection));
  TUTTI_UNEXPECTED_IF_ERROR(check_names(request, wish, selection));
  const size_t plugin_count = selection.candidates.size();
  add_built_in(wish, selection);
  selection.leaves_installed = !wish.is_list() && selection.candidates.size() > plugin_count;
  if (!selection.leaves_installed) {
    add_installed(request, wish, selection);
  }
  if (selection.candidates.empty()) {
    return tl::make_unexpected(nothing_left(request.words, selection.left_out));
  }
  best_first(selection);
  return selection;
}

Selection select_installed(const SelectionRequest& request) {
  Selection selection;
  add_installed(request, Wish(request.words), selection);
  best_first(selection);
  return selection;
}

}  // namespace tutti::comm
