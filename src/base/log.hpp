// SPDX-License-Identifier: Apache-2.0
// Log lines go to stderr or TUTTI_DEBUG_FILE, at the level TUTTI_DEBUG sets (NONE, ERROR, WARN by default, INFO, TRACE).
// Never log a secret or the contents of a user's buffer.
#pragma once

#include <fmt/format.h>

#include <string_view>

namespace tutti::log {

enum class Level { trace, info, warn, error, none };

bool enabled(Level level);
void write(Level level, std::string_view line);

// Who takes lines in the place of stderr or the file. Both are called by any thread.
struct Receiver {
  bool (*enabled)(Level level);
  void (*write)(Level level, std::string_view line);
};
// From now on lines go to `receiver`, which lives as long as the process: a plug-in has a copy of this room, whose lines belong into its host's log.
void redirect(const Receiver& receiver);

template <typename... Args>
void trace(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::trace)) write(Level::trace, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void warn(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warn)) write(Level::warn, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tutti::log
