// SPDX-License-Identifier: Apache-2.0
// A secret that the processes of one user share without a channel between them: a file.
#pragma once

#include <string>

#include "base/authentication.hpp"
#include "base/status.hpp"

namespace tutti::bootstrap {

// The key in TUTTI_SECRET_FILE: a regular file of at least 32 bytes that belongs to this user or to root and that nobody else may read or
// write. Errors: tuttiInvalidUsage naming the file and what is wrong with it; tuttiSystemError.
Result<Key> read_secret_file(const std::string& path);

// The key of this user on this host, made when there is none: $XDG_RUNTIME_DIR/tutti/key, else /tmp/tutti-<uid>/key. A directory or file that
// belongs to somebody else, or that others may touch, is refused.
Result<Key> user_key();

// The same in the given directory, which is made when it does not exist (its parent must).
Result<Key> key_in_directory(const std::string& directory);

}  // namespace tutti::bootstrap
