// SPDX-License-Identifier: Apache-2.0
#include "bootstrap/variables.hpp"

#include <charconv>
#include <cstdlib>

#include "bootstrap/wire.hpp"

namespace tutti::bootstrap {

std::string value_of(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

Result<uint32_t> number_of(const char* variable, Bounds bounds) {
  const std::string text = value_of(variable);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < bounds.least || number > bounds.most) {
    return tl::make_unexpected(invalid_usage("tuttiCommInitFromEnv: {} is \"{}\"; a whole number from {} to {} is wanted", variable,
                                             sanitised(text), bounds.least, bounds.most));
  }
  return number;
}

}  // namespace tutti::bootstrap
