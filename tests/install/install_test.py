# SPDX-License-Identifier: Apache-2.0
"""Installs Tutti into a temporary prefix, moves the prefix, and builds and runs examples/ against it: by find_package and by
pkg-config, shared and static, in C and in C++; then builds a plug-in against it, and runs examples over that."""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
RUN_TIMEOUT_S = 60


class Failure(Exception):
    pass


def run(command, **options):
    command = [str(word) for word in command]
    print("+", " ".join(command), flush=True)
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
                            timeout=RUN_TIMEOUT_S, **options)
    print(result.stdout, flush=True)
    if result.returncode != 0:
        raise Failure(f"status {result.returncode}: {' '.join(command)}")
    return result.stdout


def launcher(rank_count):
    """mpirun with what Open MPI asks of root and of small machines; the other launchers do not know these options."""
    command = ["mpirun", "-n", rank_count]
    if "Open MPI" in run(["mpirun", "--version"]):
        command.append("--oversubscribe")
        if os.geteuid() == 0:
            command.append("--allow-run-as-root")
    return command


def expect_right(output, lines):
    found = output.count(": 0 of ")
    if found != lines:
        raise Failure(f"{found} of {lines} lines say that nothing is wrong")


def run_examples(folder, environment):
    expect_right(run([folder / "allreduce_threads", 3], env=environment), 1)
    if shutil.which("mpirun"):
        expect_right(run(launcher(2) + [folder / "allreduce_processes"], env=environment), 2)
        if (folder / "allreduce_mpi").exists():
            run(launcher(2) + [folder / "allreduce_mpi"], env=environment)


def install(options, work):
    """Installs into one folder and moves that to another: nothing in a prefix may name where it was made."""
    run([options.cmake, "--install", options.build, "--prefix", work / "made"])
    (work / "made").rename(work / "prefix")
    prefix = work / "prefix"
    for pattern in ("include/tutti/tutti.h", "include/tutti/mpi.h", "**/libtutti.so", "**/libtutti.a", "**/tutti.pc",
                    "**/tuttiConfig.cmake", "**/tuttiConfigVersion.cmake"):
        if not list(prefix.glob(pattern)):
            raise Failure(f"{pattern} has not been installed")
    for text in [*prefix.glob("**/*.cmake"), *prefix.glob("**/*.pc")]:
        if str(work) in text.read_text(encoding="utf-8"):
            raise Failure(f"{text} names the prefix it was installed into")
    return prefix


def use_program(prefix):
    """The program finds the models of its own prefix, wherever that is."""
    program = prefix / "bin" / "tutti"
    if "google-tpu-v5p" not in run([program, "topo", "list"]):
        raise Failure("tutti does not list the installed models")
    if "torus 2x2x4" not in run([program, "topo", "google-tpu-v5p:2x2x4"]):
        raise Failure("tutti does not show an installed model")
    if not (prefix / "share/bash-completion/completions/tutti").exists():
        raise Failure("no completion has been installed")


def by_find_package(options, prefix, linkage, folder):
    run([options.cmake, "-S", options.source / "examples", "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
         f"-DTUTTI_LINKAGE={linkage}", f"-DCMAKE_C_COMPILER={options.c_compiler}", f"-DCMAKE_CXX_COMPILER={options.cxx_compiler}",
         f"-DCMAKE_C_FLAGS={' '.join(WARNINGS)}", f"-DCMAKE_CXX_FLAGS={' '.join(WARNINGS)}"])
    run([options.cmake, "--build", folder])
    run_examples(folder, os.environ)


def by_pkg_config(options, prefix, linkage, folder):
    folder.mkdir()
    library = next(prefix.glob("**/libtutti.so")).parent
    environment = dict(os.environ, PKG_CONFIG_PATH=str(library / "pkgconfig"), LD_LIBRARY_PATH=str(library))
    compile_flags = run(["pkg-config", "--cflags", "tutti"], env=environment).split()
    link_flags = run(["pkg-config", "--libs", "tutti"] + (["--static"] if linkage == "static" else []), env=environment).split()
    if linkage == "static":
        link_flags = ["-l:libtutti.a" if flag == "-ltutti" else flag for flag in link_flags]
        environment.pop("LD_LIBRARY_PATH")
    for compiler, standard, source in ((options.c_compiler, "c11", "allreduce_processes.c"),
                                       (options.cxx_compiler, "c++20", "allreduce_threads.cpp")):
        run([compiler, f"-std={standard}", *WARNINGS, *compile_flags, options.source / "examples" / source,
             "-o", folder / pathlib.Path(source).stem, *link_flags], env=environment)
    run_examples(folder, environment)


def expect_lines(output, text, lines):
    found = output.count(text)
    if found != lines:
        raise Failure(f"\"{text}\" is there {found} times, not {lines} times")


def use_plugin(options, prefix, programs, work):
    """The example of a plug-in carries an example's collective, by its path and as an installed one."""
    folder = work / "plugin"
    run([options.cmake, "-S", options.source / "examples" / "transport_plugin", "-B", folder, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}",
         f"-DCMAKE_C_COMPILER={options.c_compiler}", f"-DCMAKE_C_FLAGS={' '.join(WARNINGS)}"])
    run([options.cmake, "--build", folder])
    plugin = folder / "libtutti_transport_seqpacket.so"
    environment = dict(os.environ, TUTTI_TRANSPORT_PLUGINS=str(plugin), TUTTI_TRANSPORTS="seqpacket", TUTTI_DEBUG="INFO")
    output = run([programs / "allreduce_threads", 3], env=environment)
    expect_right(output, 1)
    expect_lines(output, " over seqpacket, ", 6)
    if not shutil.which("mpirun"):
        return
    output = run(launcher(2) + [programs / "allreduce_processes"], env=environment)
    expect_right(output, 2)
    expect_lines(output, " over seqpacket, ", 2)
    if "Open MPI" not in run(["mpirun", "--version"]):
        return
    # Beside the library it is used by itself, between hosts.
    installed = next(prefix.glob("**/libtutti.so")).parent / "tutti"
    installed.mkdir(exist_ok=True)
    shutil.copy(plugin, installed)
    show = [prefix / "bin" / "tutti", "topo", "--live", "--json"]
    output = run(launcher(1) + ["-x", "TUTTI_HOSTID=first", *show, ":", "-n", 1, "-x", "TUTTI_HOSTID=second", *show])
    for rank in json.loads(output)["ranks"]:
        link = rank["links"][0]
        if link["transport"] != "seqpacket" or {"transport": "shm", "reason": "other host"} not in link["passed_over"]:
            raise Failure(f"rank {rank['rank']} does not use the installed plug-in: {link}")


def has_no_setuid(folder):
    """Why programs below `folder` cannot get other rights than their caller's; empty if they can."""
    if os.geteuid() != 0:
        return "it takes root to give a program to another user"
    if os.statvfs(folder).f_flag & os.ST_NOSUID:
        return f"{folder} is mounted with nosuid"
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return "" if "NoNewPrivs:\t0" in status else "this process may not gain rights"


def refuse_plugin(programs, work):
    """A program with other rights than its caller's loads none."""
    reason = has_no_setuid(work)
    if reason:
        print(f"not tested with a setuid program: {reason}", flush=True)
        return
    program = work / "setuid_program"
    shutil.copy(programs / "allreduce_threads", program)
    work.chmod(0o755)
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    plugin = work / "plugin" / "libtutti_transport_seqpacket.so"
    environment = dict(os.environ, TUTTI_TRANSPORT_PLUGINS=str(plugin), TUTTI_DEBUG="INFO")
    output = run([program, 2], env=environment)
    expect_right(output, 1)
    if "not loaded, since the program has more rights than its caller" not in output or "transport seqpacket" in output:
        raise Failure("a setuid program has loaded a plug-in, or does not say that it has not")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--source", "--build", "--cmake", "--c-compiler", "--cxx-compiler"):
        parser.add_argument(name, type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tutti-install-") as name:
        work = pathlib.Path(name)
        try:
            prefix = install(options, work)
            use_program(prefix)
            for linkage in ("shared", "static"):
                by_find_package(options, prefix, linkage, work / f"cmake-{linkage}")
                by_pkg_config(options, prefix, linkage, work / f"pkgconfig-{linkage}")
            use_plugin(options, prefix, work / "cmake-shared", work)
            refuse_plugin(work / "cmake-shared", work)
        except (Failure, subprocess.TimeoutExpired) as failure:
            print(f"install test: {failure}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
