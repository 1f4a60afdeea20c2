// SPDX-License-Identifier: Apache-2.0
#include "base/status.hpp"

#include <cstring>

namespace tutti {

Status system_error(int error, std::string_view operation) {
  const char* name = strerrorname_np(error);
  return failure(tuttiSystemError, "{}: {} ({})", operation, strerrordesc_np(error) ? strerrordesc_np(error) : "unknown error",
                 name != nullptr ? name : fmt::format("errno {}", error).c_str());
}

}  // namespace tutti
