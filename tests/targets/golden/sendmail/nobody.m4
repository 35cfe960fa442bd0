dnl # Arrowslit: policy.toml, virtual server default, for Sendmail
dnl # apply: test ! -e /etc/mail/arrowslit.m4 || cp -p /etc/mail/arrowslit.m4 /etc/mail/arrowslit.m4.before
dnl #        test -e /etc/mail/sendmail.cf.before-arrowslit || cp -p /etc/mail/sendmail.cf /etc/mail/sendmail.cf.before-arrowslit
dnl #        cp FILE /etc/mail/arrowslit.m4
dnl #        once, as the last line of /etc/mail/sendmail.mc, behind all MAILER lines: include(/etc/mail/arrowslit.m4)
dnl #        m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf.new, then the check below with /etc/mail/sendmail.cf.new
dnl #        mv /etc/mail/sendmail.cf.new /etc/mail/sendmail.cf and restart Sendmail; on Debian: sendmailconfig
dnl # check: sendmail -C /etc/mail/sendmail.cf -bt prints no line with a fault; there:
dnl #        .D{daemon_port}25
dnl #        .D{client_addr}192.0.2.1 with the address to be tried
dnl #        Local_check_rcpt <a@DOMAIN> ends in error for a stranger, not for a listed client
dnl # undo:  take the include out of /etc/mail/sendmail.mc
dnl #        mv /etc/mail/sendmail.cf.before-arrowslit /etc/mail/sendmail.cf and restart Sendmail
dnl #        to go back to the text before: mv /etc/mail/arrowslit.m4.before /etc/mail/arrowslit.m4, m4 and restart as above
dnl # note:  nobody may connect: this refuses the mail of every client but this machine itself
dnl # note:  the access database stays as it is; what it refuses is still refused, but RELAY in it counts no more
dnl # note:  an own Local_check_rcpt in sendmail.mc is run before this one, whose rules are added to it
dnl # note:  addresses of IPv6 are compared as Sendmail writes them with UseCompressedIPv6Addresses false, the default
dnl # note:  who signs in on these ports may not relay by that: the policy has no authentication here

LOCAL_CONFIG
Karrowslit_routing regex -aROUTES [%!@].*@
Karrowslit_log syslog -LNOTICE

LOCAL_RULESETS
SArrowslitConnect
R$={ArrowslitConnectListed}	$@ YES
R$={ArrowslitConnectListed} . $*	$@ YES
R$={ArrowslitConnectListed} : $*	$@ YES
R$*	$@ NO
SArrowslitRelay
R$={ArrowslitRelayListed}	$@ YES
R$={ArrowslitRelayListed} . $*	$@ YES
R$={ArrowslitRelayListed} : $*	$@ YES
R$*	$@ NO
dnl # Mail of this machine itself and of other ports is left alone
SArrowslitOurs
R$@	$@ NO
R0	$@ NO
R127 . $*	$@ NO
RIPv6:0:0:0:0:0:0:0:1	$@ NO
RIPv6: : 1	$@ NO
R$*	$: $&{daemon_port}
R25	$@ YES
Rsmtp	$@ YES
R$+	$@ NO
R$*	$@ YES
SArrowslitTls
R$*	$: $1 $&{tls_version}
RTLS $+	$@ YES
R$*	$@ TLS
dnl # The accepted domains
SArrowslitWhere
R`$* @ example.org'	$@ HERE
Rpostmaster	$@ HERE
R$*	$@ ELSEWHERE
dnl # Recipients that everybody may write to
SArrowslitException
R$*	$@ NO
SLocal_check_rcpt
R$*	$: $1 $| $>ArrowslitOurs $&{client_addr}
R$* $| NO	$@ LEFT
R$* $| $*	$: $1
R$* < $* > $*	$: $2
R$* .	$1
dnl # Who may connect: default/connection_control/only_listed
R$*	$: $1 $| $>ArrowslitConnect $&{client_addr}
R$* $| YES	$: $1
R$* $| $-	$: $1 $| $2 $| $>ArrowslitException $1
R$* $| $- $| YES	$: $1
R$* $| $- $| $*	$: $1 $| $2
R$* $| TLS	$#error $@ 5.7.0 $: "530 You must issue STARTTLS before sending mail here"
R$* $| $-	$#error $@ 5.7.1 $: "550 You may not deliver here"
dnl # Who may relay: default/relay_restrictions/only_listed
R$*	$: $1 $| $>ArrowslitRelay $&{client_addr}
R$* $| $-	$: $1 $| $2 $| $(arrowslit_routing $1 $: NO $)
R$* $| $- $| NO	$: $1 $| $2
R$* $| YES $| $*	$: $1 $| YES
R$* $| $- $| $*	$#error $@ 5.7.1 $: "550 You may not relay: no routing in the local part"
R$* $| $-	$: $1 $| $2 $| $>ArrowslitWhere $1
R$* $| YES $| ELSEWHERE	$#OK
R$* $| TLS $| ELSEWHERE	$#error $@ 5.7.0 $: "530 You must issue STARTTLS before sending mail here"
R$* $| $- $| ELSEWHERE	$#error $@ 5.7.1 $: "550 You may not relay: this server takes no mail for that domain"
R$* $| $*	$: $1
