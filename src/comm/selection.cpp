// SPDX-License-Identifier: Apache-2.0
#include "comm/selection.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "registry/registry.hpp"

namespace tutti::comm {

namespace {

std::vector<const transport::TransportType*> automatic_transports() {
  std::vector<const transport::TransportType*> types;
  for (const auto type : registry::transport_types()) {
    if (type().automatic) {
      types.push_back(&type());
    }
  }
  std::ranges::stable_sort(types, std::ranges::greater{}, &transport::TransportType::preference);
  return types;
}

std::vector<std::string_view> split(std::string_view words) {
  std::vector<std::string_view> parts;
  while (!words.empty()) {
    const size_t comma = words.find(',');
    parts.push_back(words.substr(0, comma));
    words = comma == std::string_view::npos ? std::string_view{} : words.substr(comma + 1);
  }
  return parts;
}

}  // namespace

Result<std::vector<const transport::TransportType*>> select_transports(std::string_view words) {
  auto types = automatic_transports();
  if (words.empty()) {
    return types;
  }
  const bool excludes = words.front() == '^';
  const auto named = split(excludes ? words.substr(1) : words);
  for (const std::string_view word : named) {
    if (std::ranges::find(types, word, &transport::TransportType::name) == types.end()) {
      std::vector<std::string_view> known;
      std::ranges::transform(types, std::back_inserter(known), &transport::TransportType::name);
      return tl::make_unexpected(
          invalid_argument("TUTTI_TRANSPORTS: \"{}\" is no transport; there are {}", word, fmt::join(known, ", ")));
    }
  }
  std::erase_if(types, [&](const transport::TransportType* type) {
    return (std::ranges::find(named, type->name) != named.end()) == excludes;
  });
  if (types.empty()) {
    return tl::make_unexpected(invalid_argument("TUTTI_TRANSPORTS: \"{}\" leaves no transport", words));
  }
  return types;
}

}  // namespace tutti::comm
