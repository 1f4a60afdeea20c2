// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "base/settings.hpp"

namespace tutti::log {

namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace: return spdlog::level::trace;
    case Level::info: return spdlog::level::info;
    case Level::warn: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::none: break;
  }
  return spdlog::level::off;
}

// Leaked on purpose: threads of the library may log until the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    spdlog::sink_ptr sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    const std::string file = Settings::environment().debug_file;
    if (!file.empty()) {
      try {
        sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file);
      } catch (const spdlog::spdlog_ex& error) {
        ::dprintf(STDERR_FILENO, "tutti: TUTTI_DEBUG_FILE: %s; logging to stderr\n", error.what());
      }
    }
    auto* created = new spdlog::logger("tutti", std::move(sink));
    created->set_pattern("%Y-%m-%dT%H:%M:%S.%f %P.%t tutti %l: %v");
    created->set_level(to_spdlog(Settings::environment().debug_level));
    created->flush_on(spdlog::level::info);
    return created;
  }();
  return *instance;
}

// Written by redirect(), read by all. Release pairs with acquire and publishes what it points to; null: the logger.
std::atomic<const Receiver*> current_receiver = nullptr;

}  // namespace

bool enabled(Level level) {
  const Receiver* const receiver = current_receiver.load(std::memory_order_acquire);
  return receiver != nullptr ? receiver->enabled(level) : logger().should_log(to_spdlog(level));
}

void write(Level level, std::string_view line) {
  const Receiver* const receiver = current_receiver.load(std::memory_order_acquire);
  receiver != nullptr ? receiver->write(level, line) : logger().log(to_spdlog(level), line);
}

void redirect(const Receiver& receiver) { current_receiver.store(&receiver, std::memory_order_release); }

}  // namespace tutti::log
