#!/bin/sh
# Boots this system's systemd over a copy of this system's files, with units of its own alone: PID 1 of a PID namespace, in
# a mount, UTS, IPC and cgroup namespace, and the caller's network. Nothing of it is seen outside or stays.
# Arguments: an empty directory, and one with packages that the machine finds in /packages.
set -eu
machine=$1
packages=$2

mount --make-rprivate /
mount -t tmpfs -o mode=0755 machine "$machine"
mkdir "$machine/root" "$machine/upper" "$machine/work"
mount -t overlay -o "lowerdir=/,upperdir=$machine/upper,workdir=$machine/work" machine "$machine/root"
cd "$machine/root"
mkdir -p packages upper
mount --bind "$packages" packages
mount --bind "$machine/upper" upper
mount --rbind /dev dev
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
for directory in run tmp etc/systemd/system; do mount -t tmpfs -o mode=0755 tmpfs "$directory"; done
# Init scripts are units, for packages that have them, but nothing asks for them.
generators=usr/lib/systemd/system-generators
cp "$generators/systemd-sysv-generator" upper/
for directory in etc/rc?.d "$generators"; do mount -t tmpfs -o mode=0755 tmpfs "$directory"; done
cp upper/systemd-sysv-generator "$generators/"
rm upper/systemd-sysv-generator
# A policy that keeps packages from starting services is this system's own matter.
rm -f usr/sbin/policy-rc.d

# Only what a service needs: no unit of this system runs, no setting of its kernel is touched.
mkdir units
for unit in shutdown.target umount.target final.target multi-user.target network-online.target \
    systemd-journald.service systemd-journald.socket systemd-journald-dev-log.socket; do
    cp "usr/lib/systemd/system/$unit" units/
done
for unit in sysinit.target basic.target; do printf '[Unit]\nDescription=%s\n' "$unit" >units/$unit; done
printf '[Unit]\nDescription=the machine\nWants=systemd-journald.socket\nWants=multi-user.target\n' >units/machine.target
mount -t tmpfs -o mode=0755 tmpfs usr/lib/systemd/system
cp units/* usr/lib/systemd/system/
rm -r units

pivot_root . mnt
umount -l /mnt
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin container=test \
    /usr/lib/systemd/systemd --system --unit=machine.target --log-target=journal --show-status=no
