#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The shape of the tree: which file may call and include which, and how static
functions are named.

A circle is a set of object files that call each other in a loop, as found by
nm: to understand one of them, a reader has to read all of them. Runs in the
build directory.
"""
import collections
import pathlib
import re
import subprocess
import sys

TOP = pathlib.Path(__file__).resolve().parent.parent
# From the top down: a file may include what is in its own folder or below.
FOLDERS = ['.', 'watch', 'control', 'module', 'serve', 'cluster', 'threads',
           'config', 'config/parse', 'net', 'system', 'log']
# By program or library: its objects, and the largest circle that it may have. A
# socket is one object in several files: that explains the number of lib.
GROUPS = {
    'lib': (['lib/*.o'], 5),
    'daemon': (['daemon/*.o', 'daemon/*/*.o', 'daemon/config/parse/*.o'], 1),
    'chat': (['daemon/protocols/chat/.libs/*.o'], 1),
    'relay': (['daemon/protocols/relay/.libs/*.o'], 1),
    'linectl': (['tools/linectl/*.o'], 1),
    'linetest': (['tools/linetest/*.o'], 1),
}


def symbols(path):
    """Returns the symbols that an object file defines, and those that it needs.
    """
    out = subprocess.run(['nm', '-P', str(path)], capture_output=True,
                         text=True, check=True).stdout
    rows = [line.split() for line in out.splitlines()]
    return ({row[0] for row in rows if row[1].isupper() and row[1] != 'U'},
            {row[0] for row in rows if row[1] == 'U'})


def circles(calls):
    """Returns the strongly connected components of {file: files}, by Tarjan's
    algorithm."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in calls[node]:
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(sorted(stack[at:]))
            del stack[at:]

    for node in calls:
        if node not in index:
            visit(node)
    return found


def is_built(path):
    """Whether the source of an object file exists: an older build may have
    left the object file."""
    source = path.name.split('-', 1)[-1][:-2] + '.c'
    folder = path.parent.parent if path.parent.name == '.libs' else path.parent
    return (TOP / folder / source).exists()


def check_circles():
    for name, (patterns, most) in GROUPS.items():
        objects = [path for pattern in patterns
                   for path in sorted(pathlib.Path('.').glob(pattern))
                   if is_built(path)]
        if not objects:
            yield f'{name}: no object files in {pathlib.Path.cwd()}'
        seen = {path: symbols(path) for path in objects}
        owner = {symbol: path for path in seen for symbol in seen[path][0]}
        calls = {path: {owner[symbol] for symbol in seen[path][1]
                        if owner.get(symbol, path) != path} for path in seen}
        for circle in circles(calls):
            if len(circle) > most:
                stems = [path.stem.split('-')[-1] for path in circle]
                yield (f'{name}: {len(circle)} files call each other in a '
                       f'circle: {" ".join(stems)}')


def check_includes():
    for path in sorted((TOP / 'daemon').glob('**/*.[ch]')):
        place = path.relative_to(TOP / 'daemon')
        folder = place.parent.as_posix()
        if folder not in FOLDERS:
            continue  # test-structure.sh checks protocols and public headers
        for name in re.findall(r'^#include "([^"]+)"', path.read_text(),
                               re.M):
            if not (TOP / 'daemon' / name).exists():
                continue
            target = pathlib.PurePath(name).parent.as_posix()
            if target in FOLDERS and \
                    FOLDERS.index(target) < FOLDERS.index(folder):
                yield f'daemon/{place} includes "{name}", which stands above'


def static_functions():
    """Returns {name: files} for the static functions of lib, daemon and tools.
    """
    found = collections.defaultdict(set)
    for room in 'lib', 'daemon', 'tools':
        for path in sorted((TOP / room).glob('**/*.c')):
            for name in re.findall(
                    r'^static [^;={}()]*?\b(\w+)\([^;{}]*\)\n\{',
                    path.read_text(), re.M):
                found[name].add(path.relative_to(TOP).as_posix())
    return found


def check_static_names():
    found = static_functions()
    if len(found) < 500:
        yield f'only {len(found)} static functions were found'
    for name, files in sorted(found.items()):
        if '_' not in name:
            yield f'{name}() in {" ".join(sorted(files))}: bears no noun'
    total = sum(len(files) for files in found.values())
    shared = {name: files for name, files in found.items() if len(files) > 1}
    count = sum(len(files) for files in shared.values())
    if count * 20 > total:
        yield (f'{count} of {total} static functions share their name with '
               f'another file: {" ".join(sorted(shared))}')


def main():
    faults = 0
    checks = check_circles, check_includes, check_static_names
    for check in checks:
        found = list(check())
        print('FAIL' if found else 'PASS', check.__doc__ or check.__name__)
        for fault in found:
            print('   ', fault)
        faults += bool(found)
    print(f'Checks: {len(checks)}, Failures: {faults}')
    return faults > 0


if __name__ == '__main__':
    sys.exit(main())
