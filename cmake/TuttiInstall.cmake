# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts into a prefix: headers, both libraries, machine models, benchmarks, and how pkg-config and CMake find them. Nothing
# in the prefix names the prefix, so it can be moved.
include(CMakePackageConfigHelpers)

set(TUTTI_PACKAGE_FOLDER "${CMAKE_INSTALL_LIBDIR}/cmake/tutti")
set(TUTTI_PC_FOLDER "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/tutti" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/topologies" DESTINATION "${CMAKE_INSTALL_DATADIR}/tutti" FILES_MATCHING PATTERN "*.toml")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")

# An export of its own for each library: who uses the shared one needs none of the packages that the static one names.
install(TARGETS tutti_shared EXPORT tuttiSharedTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS tutti_static EXPORT tuttiStaticTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
foreach(kind IN ITEMS Shared Static)
  install(EXPORT tutti${kind}Targets NAMESPACE tutti:: DESTINATION "${TUTTI_PACKAGE_FOLDER}")
endforeach()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tuttiConfig.cmake.in" "${PROJECT_BINARY_DIR}/generated/tuttiConfig.cmake"
                              INSTALL_DESTINATION "${TUTTI_PACKAGE_FOLDER}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/generated/tuttiConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/generated/tuttiConfig.cmake" "${PROJECT_BINARY_DIR}/generated/tuttiConfigVersion.cmake"
        DESTINATION "${TUTTI_PACKAGE_FOLDER}")

file(RELATIVE_PATH TUTTI_PC_TO_PREFIX "/${TUTTI_PC_FOLDER}" "/")
string(REGEX REPLACE "/$" "" TUTTI_PC_TO_PREFIX "${TUTTI_PC_TO_PREFIX}")
set(pc_libraries ${HWY_LDFLAGS} ${PMIX_LDFLAGS} ${HWLOC_LDFLAGS})
list(JOIN pc_libraries " " TUTTI_PC_LIBRARIES)
configure_file("${PROJECT_SOURCE_DIR}/cmake/tutti.pc.in" "${PROJECT_BINARY_DIR}/generated/tutti.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/generated/tutti.pc" DESTINATION "${TUTTI_PC_FOLDER}")

# tutti_install_benchmarks(<target>...): those of the public API, named *_perf. They find libtutti.so by their own place in the prefix.
function(tutti_install_benchmarks)
  set(programs ${ARGN})
  list(FILTER programs INCLUDE REGEX "_perf$")
  if(programs)
    file(RELATIVE_PATH to_library "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}")
    set_property(TARGET ${programs} APPEND PROPERTY INSTALL_RPATH "$ORIGIN/${to_library}")
    install(TARGETS ${programs} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")
  endif()
endfunction()
