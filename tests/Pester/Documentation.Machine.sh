#!/bin/bash
# In new namespaces of pids, mounts and the network: Documentation.Machine.sh FOLDER CHECKOUT COMMAND...
# Makes them a machine on which the pages' examples can do no harm, and runs the command there. The first process, which
# this is, takes in the orphans; with it everything ends.
set -eu
folder=$1
checkout=$2
shift 2

# Descriptors that a caller has left open are of mounts that are not here.
for descriptor in /proc/self/fd/*; do
    descriptor=${descriptor##*/}
    if [ "$descriptor" -gt 2 ] && [ "$descriptor" -ne 255 ]; then eval "exec $descriptor>&-"; fi
done

# What is needed from below a folder that is covered is put back on top.
kept=()
sdk=$(dirname "$(readlink -f "$(command -v dotnet)")")
for needed in "$checkout" "$sdk"; do
    case $needed in
        /srv/* | /run/* | /var/log/* | /var/lib/* | /opt/*)
            mkdir "$folder/kept/${#kept[@]}"
            mount --bind "$needed" "$folder/kept/${#kept[@]}"
            kept+=("$needed")
            ;;
    esac
done
mount --bind "$folder/srv" /srv
mount --bind "$folder/run" /run
mount --bind "$folder/log" /var/log
mount --bind "$folder/lib" /var/lib
mount --bind "$folder/opt" /opt
for number in "${!kept[@]}"; do
    mkdir -p "${kept[number]}"
    mount --bind "$folder/kept/$number" "${kept[number]}"
done

# criu wants the loopback interface up.
perl -MSocket -e '
    socket(my $s, AF_INET, SOCK_DGRAM, 0) or die $!;
    my $up = pack("a16 s x22", "lo", 0x41);
    ioctl($s, 0x8914, $up) or die $!;'

# The one thing that Initialize-CracEnvironment makes outside of what is covered.
cache=/dev/criu.kdat.$(cat /proc/sys/kernel/random/boot_id)
had=$(ls "$cache" 2>/dev/null || true)

cd /srv/demo
code=0
PATH=$folder/bin:$PATH "$@" || code=$?
if [ -z "$had" ]; then rm -f "$cache"; fi
exit "$code"
