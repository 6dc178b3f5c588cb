# First process of the guest. Before these lines stand PROGRAM, FOLDER and NAME, and after them the call.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run TERM=dumb LC_ALL=C
mount -t proc proc /proc
mount -t sysfs sys /sys
[ -e /dev/null ] || mount -t devtmpfs dev /dev
mount -t tmpfs tmp /run
mkdir -p /run/lock /run/kernel/lib/modules /run/folder
# It needs no more of the machine than to read it: but for this folder, nothing can be written.
mount -t hostfs -o "$FOLDER" folder /run/folder
ln -s "/usr/lib/uml/modules/$(uname -r)" /run/kernel/lib/modules/
for module in ip_vs ip_vs_rr ip_vs_wrr ip_vs_lc ip_vs_wlc ip_vs_sh ip_vs_dh ip_vs_mh ip_vs_sed ip_vs_nq ip_vs_fo ip_vs_ovf \
    ip_vs_lblc ip_vs_lblcr veth ipip ip6_tunnel iptable_mangle ip6table_mangle xt_mark xt_tcpudp; do
    modprobe -q -d /run/kernel "$module"
done
hostname "$NAME"
ip link set lo up
cd /run
