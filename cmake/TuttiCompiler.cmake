# SPDX-License-Identifier: Apache-2.0
# Warnings and sanitizers for our own code, as an interface target.
add_library(tutti_compiler INTERFACE)
target_compile_options(tutti_compiler INTERFACE -Wall -Wextra -Wpedantic -Werror)
target_compile_definitions(tutti_compiler INTERFACE _GNU_SOURCE)
if(TUTTI_SANITIZE)
  add_compile_options(-fsanitize=${TUTTI_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${TUTTI_SANITIZE})
  # Half of the time of such a build would go into these two checks of every access. AddressSanitizer sees by itself what goes through null;
  # alignment is checked in the rooms that see memory as something else than it was declared.
  if(TUTTI_SANITIZE MATCHES "undefined")
    add_compile_options(-fno-sanitize=null,alignment)
  endif()
  # Hundreds of thousands of descriptors of checks would otherwise be relocated at each start of a test.
  add_link_options($<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-no-pie>)
  # AddressSanitizer would guard each of those descriptors as a global of ours. Indices into arrays are checked by the standard library
  # and by UndefinedBehaviorSanitizer instead.
  if(TUTTI_SANITIZE MATCHES "address" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options("SHELL:--param asan-globals=0")
    add_compile_definitions(_GLIBCXX_ASSERTIONS)
  endif()
endif()

find_program(TUTTI_CCACHE ccache)
if(TUTTI_CCACHE)
  set(CMAKE_C_COMPILER_LAUNCHER "${TUTTI_CCACHE}")
  set(CMAKE_CXX_COMPILER_LAUNCHER "${TUTTI_CCACHE}")
endif()
