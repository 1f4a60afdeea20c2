# SPDX-License-Identifier: Apache-2.0
# Every third-party library, all from Debian 12 (scripts/install-packages).
find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(EXPAT REQUIRED)
find_package(tl-expected QUIET)
find_path(TUTTI_EXPECTED_INCLUDE tl/expected.hpp REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(HWY REQUIRED IMPORTED_TARGET libhwy)
pkg_check_modules(PMIX REQUIRED IMPORTED_TARGET pmix)
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc)

# What transports that are built as plug-ins use; those that lack theirs are not built.
pkg_check_modules(FABRIC IMPORTED_TARGET libfabric>=1.14)
pkg_check_modules(UCX IMPORTED_TARGET ucx>=1.13)
