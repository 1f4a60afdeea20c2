// SPDX-License-Identifier: Apache-2.0
// Lists of names as in UCX_TLS and TUTTI_TRANSPORTS: "posix,cma", "^tcp".
#pragma once

#include <algorithm>
#include <initializer_list>
#include <string_view>

namespace tutti::transports::ucx {

// Whether `list`, which is separated by commas, has one of `names`.
inline bool has_word(std::string_view list, std::initializer_list<std::string_view> names) {
  while (!list.empty()) {
    const size_t comma = list.find(',');
    if (std::ranges::find(names, list.substr(0, comma)) != names.end()) {
      return true;
    }
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
  }
  return false;
}

}  // namespace tutti::transports::ucx
