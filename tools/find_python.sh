#!/bin/sh
# Print the path of a Python that this project can use: the newest of 3.13, 3.12, 3.11 that runs and can make a virtual
# environment; with the argument `oldest`, the oldest of them. A name on PATH proves nothing (a pyenv shim exists for
# versions that are not selected, Debian's python3 may lack ensurepip), so every candidate is run.

case "${1:-newest}" in
    newest) versions="3.13 3.12 3.11" ;;
    oldest) versions="3.11 3.12 3.13" ;;
    *) echo "usage: $0 [newest|oldest]" >&2; exit 2 ;;
esac

# Prints the real interpreter's path when "$1" is a working Python of version "$2"; fails otherwise. The path is what the
# interpreter itself reports (the base one's inside an active virtual environment): a shim's own path would depend on the
# folder that it is called from.
works() {
    "$1" -c '
import sys, venv, ensurepip
if "%d.%d" % sys.version_info[:2] != sys.argv[1]:
    sys.exit(1)
print(getattr(sys, "_base_executable", None) or sys.executable)
' "$2" 2>/dev/null </dev/null
}

# Candidate commands for version "$1", one a line: PATH, pyenv's and other managers' folders, the system's.
candidates() {
    printf '%s\n' "python$1" python3 python
    for root in "${PYENV_ROOT:-}" "${HOME:-}/.pyenv" /root/.pyenv /opt/pyenv /usr/local/pyenv; do
        [ -n "$root" ] && printf '%s\n' "$root"/versions/"$1"*/bin/python
    done
    for folder in /usr/local/bin /usr/bin /opt/*/bin /opt/homebrew/bin \
        /opt/homebrew/opt/python@"$1"/bin "${HOME:-}"/.local/bin \
        "${HOME:-}"/.local/share/uv/python/cpython-"$1"*/bin; do
        printf '%s\n' "$folder/python$1"
    done
}

for version in $versions; do
    found=$(candidates "$version" | while IFS= read -r candidate; do
        case "$candidate" in
            /*) [ -x "$candidate" ] || continue ;;
            *) command -v "$candidate" >/dev/null 2>&1 || continue ;;
        esac
        if path=$(works "$candidate" "$version"); then
            printf '%s\n' "$path"
            break
        fi
    done)
    if [ -n "$found" ]; then
        printf '%s\n' "$found"
        exit 0
    fi
done

{
    echo "sciml_jax needs Python 3.11, 3.12 or 3.13 with the modules venv and ensurepip."
    echo "None that runs was found on PATH, in pyenv's versions/, /usr/local/bin, /usr/bin or /opt/*/bin."
    echo "Install one ('pyenv install 3.13', 'apt-get install python3.11 python3.11-venv', 'brew install python@3.13'),"
    echo "or name it: make PYTHON=/path/to/python3.13 ..."
} >&2
exit 1
