// SPDX-License-Identifier: Apache-2.0
#include "comm/config.hpp"

#include <cstring>

namespace tutti::comm {

namespace {

constexpr size_t kMaxNameBytes = 128;
constexpr size_t kMaxWordsBytes = 4096;

Status copy_text(const char* text, std::string_view field, size_t max_bytes, std::string* target) {
  if (text == nullptr) {
    return {};
  }
  const size_t length = strnlen(text, max_bytes + 1);
  if (length > max_bytes) {
    return invalid_argument("tuttiConfig_t: {} is longer than {} bytes", field, max_bytes);
  }
  target->assign(text, length);
  return {};
}

Status check_header(const tuttiConfig_t& config) {
  if (config.magic != TUTTI_CONFIG_MAGIC) {
    return invalid_argument("tuttiConfig_t: magic is {:#x}; start from TUTTI_CONFIG_INITIALIZER", config.magic);
  }
  if (config.size != sizeof(tuttiConfig_t)) {
    return invalid_argument("tuttiConfig_t: size is {}, this library knows {}", config.size, sizeof(tuttiConfig_t));
  }
  return {};
}

}  // namespace

Result<Config> make_config(const tuttiConfig_t* config, const Settings& settings) {
  Config result;
  result.timeout_ms = settings.timeout_ms;
  result.transports = settings.transports;
  result.algorithms = settings.algorithms;
  result.topology = settings.topology;
  result.algorithm_files = settings.algorithm_files;
  if (config == nullptr) {
    return result;
  }
  TUTTI_UNEXPECTED_IF_ERROR(check_header(*config));
  if (config->blocking != TUTTI_CONFIG_UNDEF_INT) {
    if (config->blocking != 0 && config->blocking != 1) {
      return tl::make_unexpected(invalid_argument("tuttiConfig_t: blocking is {}, neither 0 nor 1", config->blocking));
    }
    result.blocking = config->blocking == 1;
  }
  if (config->timeoutMs != TUTTI_CONFIG_UNDEF_INT) {
    if (config->timeoutMs < 0) {
      return tl::make_unexpected(invalid_argument("tuttiConfig_t: timeoutMs is {}, which is negative", config->timeoutMs));
    }
    result.timeout_ms = static_cast<uint64_t>(config->timeoutMs);
  }
  TUTTI_UNEXPECTED_IF_ERROR(copy_text(config->commName, "commName", kMaxNameBytes, &result.name));
  TUTTI_UNEXPECTED_IF_ERROR(copy_text(config->transports, "transports", kMaxWordsBytes, &result.transports));
  TUTTI_UNEXPECTED_IF_ERROR(copy_text(config->algorithms, "algorithms", kMaxWordsBytes, &result.algorithms));
  return result;
}

}  // namespace tutti::comm
