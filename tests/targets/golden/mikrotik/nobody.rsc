# Arrowslit: policy.toml, virtual server default, for MikroTik RouterOS
# apply: /export file=before-arrowslit
#        upload FILE to the router, then: /import file-name=FILE verbose=yes dry-run (where RouterOS has it)
#        /import file-name=FILE verbose=yes (in safe mode: Ctrl-X before it, and again to keep it)
# check: /ip firewall raw print stats where comment="arrowslit"
#        /ipv6 firewall raw print stats where comment="arrowslit"
# undo:  /ip firewall raw remove [find comment="arrowslit"]
#        /ip firewall raw remove [find comment="arrowslit next"]
#        /ip firewall address-list remove [find list="arrowslit4"]
#        /ip firewall address-list remove [find list="arrowslit4-next"]
#        /ipv6 firewall raw remove [find comment="arrowslit"]
#        /ipv6 firewall raw remove [find comment="arrowslit next"]
#        /ipv6 firewall address-list remove [find list="arrowslit6"]
#        /ipv6 firewall address-list remove [find list="arrowslit6-next"]
# note:  nobody may connect: this closes the port to everybody who comes in from outside
# note:  a rule above ours in the raw table that accepts passes it by: look at raw print
# note:  dst-nat rules that forward the port stay as they are, and are behind this; find them with nat print
# note:  what fasttrack has taken over stays open until it ends: see /ip firewall connection print
# note:  without the IPv6 package (RouterOS 6) the import stops at its second half; the first holds by then

:if ([:len [/ip firewall raw find comment="arrowslit next"]] > 0) do={ :error "an import was interrupted: see undo, then import again" }
/ip firewall address-list
remove [find list="arrowslit4-next"]
/ip firewall raw
add chain=prerouting action=drop in-interface="wan0" protocol=tcp dst-port=25 dst-address-type=local src-address-list=!arrowslit4-next comment="arrowslit next"
remove [find comment="arrowslit"]
/ip firewall address-list
remove [find list="arrowslit4"]
:foreach entry in=[find list="arrowslit4-next"] do={ add list="arrowslit4" address=[get $entry address] }
/ip firewall raw
add chain=prerouting action=drop in-interface="wan0" protocol=tcp dst-port=25 dst-address-type=local src-address-list=!arrowslit4 comment="arrowslit"
remove [find comment="arrowslit next"]
/ip firewall address-list
remove [find list="arrowslit4-next"]

:if ([:len [/ipv6 firewall raw find comment="arrowslit next"]] > 0) do={ :error "an import was interrupted: see undo, then import again" }
/ipv6 firewall address-list
remove [find list="arrowslit6-next"]
/ipv6 firewall raw
add chain=prerouting action=drop in-interface="wan0" protocol=tcp dst-port=25 dst-address=2001:db8:5::5 src-address-list=!arrowslit6-next comment="arrowslit next"
remove [find comment="arrowslit"]
/ipv6 firewall address-list
remove [find list="arrowslit6"]
:foreach entry in=[find list="arrowslit6-next"] do={ add list="arrowslit6" address=[get $entry address] }
/ipv6 firewall raw
add chain=prerouting action=drop in-interface="wan0" protocol=tcp dst-port=25 dst-address=2001:db8:5::5 src-address-list=!arrowslit6 comment="arrowslit"
remove [find comment="arrowslit next"]
/ipv6 firewall address-list
remove [find list="arrowslit6-next"]

