# SPDX-License-Identifier: Apache-2.0
# A room is a folder of src/; a plug-in is a folder of algorithms/ or transports/. All become static libraries of position
# independent code, whose objects are then gathered into libtutti.so and libtutti.a.

set_property(GLOBAL PROPERTY TUTTI_PARTS "")
# Beside libtutti.so, in a build and in an installation; src/comm looks there.
set(TUTTI_PLUGIN_FOLDER "tutti")

# tutti_add_static(<target> <folder> [LINK ...] [PRIVATE_LINK ...])
function(tutti_add_static target folder)
  cmake_parse_arguments(PART "" "" "LINK;PRIVATE_LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*.cpp")
  if(NOT sources) # headers only, so far
    file(WRITE "${PROJECT_BINARY_DIR}/generated/${target}.cpp" "")
    set(sources "${PROJECT_BINARY_DIR}/generated/${target}.cpp")
  endif()
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/include")
  target_link_libraries(${target} PUBLIC ${PART_LINK} PRIVATE tutti_compiler ${PART_PRIVATE_LINK})
endfunction()

# The same, of a part of libtutti.
function(tutti_add_part target folder)
  tutti_add_static(${target} ${folder} ${ARGN})
  set_property(GLOBAL APPEND PROPERTY TUTTI_PARTS ${target})
endfunction()

function(tutti_add_room room)
  tutti_add_part(tutti_${room} src/${room} ${ARGN})
endfunction()

# Called by algorithms/<family>/CMakeLists.txt: tutti_add_algorithm(ring)
function(tutti_add_algorithm family)
  tutti_add_part(tutti_algorithm_${family} algorithms/${family} LINK tutti_planner ${ARGN})
  set_property(GLOBAL APPEND PROPERTY TUTTI_ALGORITHMS ${family})
endfunction()

# Called by transports/<name>/CMakeLists.txt: tutti_add_transport(tcp)
function(tutti_add_transport name)
  tutti_add_part(tutti_transport_${name} transports/${name} LINK tutti_transport ${ARGN})
  set_property(GLOBAL APPEND PROPERTY TUTTI_TRANSPORTS ${name})
endfunction()

# Called by transports/<name>/CMakeLists.txt: tutti_add_transport_plugin(ofi LINK PkgConfig::FABRIC). A transport that is no part of libtutti: a library
# of its own, libtutti_transport_<name>.so, which is loaded while a program runs, if what it links is there. It holds what it uses of our rooms and exports
# one function. Defines the targets tutti_transport_<name>, static, as other transports have it, and tutti_transport_<name>_plugin.
function(tutti_add_transport_plugin name)
  tutti_add_static(tutti_transport_${name} transports/${name} LINK tutti_transport ${ARGN})
  set_property(GLOBAL APPEND PROPERTY TUTTI_TRANSPORT_PLUGINS ${name})
  set(plugin tutti_transport_${name}_plugin)
  set(source "${PROJECT_BINARY_DIR}/generated/${plugin}.cpp")
  configure_file("${PROJECT_SOURCE_DIR}/src/transport/plugin.cpp.in" "${source}" @ONLY)
  add_library(${plugin} MODULE "${source}")
  set(exports "${PROJECT_SOURCE_DIR}/cmake/plugin.map")
  set_target_properties(${plugin} PROPERTIES OUTPUT_NAME tutti_transport_${name} LINK_DEPENDS "${exports}"
                        LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/${TUTTI_PLUGIN_FOLDER}")
  target_link_libraries(${plugin} PRIVATE tutti_transport_${name} tutti_compiler)
  target_link_options(${plugin} PRIVATE "LINKER:--version-script=${exports}")
  install(TARGETS ${plugin} LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/${TUTTI_PLUGIN_FOLDER}")
  tutti_add_to_group(${plugin} tutti_library)
endfunction()

function(tutti_add_plugins folder)
  file(GLOB lists CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/${folder}/*/CMakeLists.txt")
  foreach(list IN LISTS lists)
    get_filename_component(directory "${list}" DIRECTORY)
    add_subdirectory("${directory}")
  endforeach()
endfunction()

# Writes the tables that name every algorithm and every transport.
function(tutti_add_registry)
  get_property(algorithms GLOBAL PROPERTY TUTTI_ALGORITHMS)
  get_property(transports GLOBAL PROPERTY TUTTI_TRANSPORTS)
  set(declarations "")
  set(algorithm_rows "")
  set(transport_rows "")
  set(libraries "")
  foreach(family IN LISTS algorithms)
    string(APPEND declarations "namespace tutti::algorithms::${family} { std::span<const planner::Algorithm> algorithms(); }\n")
    string(APPEND algorithm_rows "    &algorithms::${family}::algorithms,\n")
    list(APPEND libraries tutti_algorithm_${family})
  endforeach()
  foreach(name IN LISTS transports)
    string(APPEND declarations "namespace tutti::transports::${name} { const transport::TransportType& type(); }\n")
    string(APPEND transport_rows "    &transports::${name}::type,\n")
    list(APPEND libraries tutti_transport_${name})
  endforeach()
  # A folder that has added nothing lacks what it needs on this machine.
  file(GLOB lists CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/transports/*/CMakeLists.txt")
  set(plugins "")
  set(plugin_rows "")
  foreach(list IN LISTS lists)
    get_filename_component(directory "${list}" DIRECTORY)
    get_filename_component(name "${directory}" NAME)
    if(NOT name IN_LIST transports)
      list(APPEND plugins ${name})
      string(APPEND plugin_rows "\"${name}\", ")
    endif()
  endforeach()
  list(LENGTH plugins plugin_count)
  list(LENGTH algorithms algorithm_count)
  list(LENGTH transports transport_count)
  configure_file("${PROJECT_SOURCE_DIR}/src/registry/tables.cpp.in" "${PROJECT_BINARY_DIR}/generated/registry_tables.cpp" @ONLY)
  tutti_add_room(registry LINK tutti_planner tutti_transport)
  target_sources(tutti_registry PRIVATE "${PROJECT_BINARY_DIR}/generated/registry_tables.cpp")
  target_link_libraries(tutti_registry PUBLIC ${libraries})
endfunction()

# libtutti.so, libtutti.a and what an installed prefix needs.
function(tutti_add_library)
  get_property(parts GLOBAL PROPERTY TUTTI_PARTS)
  set(objects "")
  foreach(part IN LISTS parts)
    list(APPEND objects $<TARGET_OBJECTS:${part}>)
  endforeach()
  foreach(kind shared static)
    string(TOUPPER ${kind} kind_upper)
    add_library(tutti_${kind} ${kind_upper} ${objects})
    add_library(tutti::${kind} ALIAS tutti_${kind})
    set_target_properties(tutti_${kind} PROPERTIES OUTPUT_NAME tutti EXPORT_NAME ${kind} LINKER_LANGUAGE CXX
                          VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    target_include_directories(tutti_${kind} INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                               $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    target_link_libraries(tutti_${kind} PRIVATE fmt::fmt spdlog::spdlog OpenSSL::Crypto EXPAT::EXPAT Threads::Threads PkgConfig::HWY
                          PkgConfig::PMIX PkgConfig::HWLOC)
  endforeach()
  add_library(tutti::tutti ALIAS tutti_shared)
  set(exports "${PROJECT_SOURCE_DIR}/cmake/tutti.map")
  target_link_options(tutti_shared PRIVATE "LINKER:--version-script=${exports}")
  set_property(TARGET tutti_shared APPEND PROPERTY LINK_DEPENDS "${exports}")
endfunction()
