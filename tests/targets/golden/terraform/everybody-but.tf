# Arrowslit: policy.toml, virtual server default, for Terraform with an AWS security group
# apply: terraform fmt -check FILE && terraform plan -out=plan   (read it: nothing but arrowslit_ is to change)
#        terraform apply plan
#        then take out the rules that open the port to everybody, where they are declared
# check: terraform plan -detailed-exitcode   (0: the group is as this file says)
# undo:  first the wide rules again, then FILE as it was before, or without it; terraform apply
# gap:   too-many-ranges: There are more ranges than the target takes. 128 are needed, 60 are possible: a security group's 60 rules of a family count a prefix list by its size, once for each port. Waived: a test
# note:  a security group with ingress blocks of its own (aws_security_group) takes away rules that are declared beside it: declare its rules in resources of their own
# note:  all security groups of an interface add up: a rule for the port in any other one lets strangers in
# note:  the quota of 60 rules can be raised (Service Quotas, Inbound or outbound rules per security group)
# note:  a load balancer that hides the client's address makes the list useless; one that checks the port needs an entry

variable "arrowslit_security_group" {
  description = "The mail server's security group"
  type        = string
}

resource "aws_ec2_managed_prefix_list" "arrowslit_ipv4" {
  name           = "arrowslit-${var.arrowslit_security_group}-ipv4"
  address_family = "IPv4"
  max_entries    = 50

  # not: default/connection_control/all_except_listed/group:198.51.100.0/24  known for spam
  # not: default/connection_control/all_except_listed/range:203.0.113.5-203.0.113.9
  entry {
    cidr = "0.0.0.0/1"
  }
  entry {
    cidr = "128.0.0.0/2"
  }
  entry {
    cidr = "192.0.0.0/6"
  }
  entry {
    cidr = "196.0.0.0/7"
  }
  entry {
    cidr = "198.0.0.0/11"
  }
  entry {
    cidr = "198.32.0.0/12"
  }
  entry {
    cidr = "198.48.0.0/15"
  }
  entry {
    cidr = "198.50.0.0/16"
  }
  entry {
    cidr = "198.51.0.0/18"
  }
  entry {
    cidr = "198.51.64.0/19"
  }
  entry {
    cidr = "198.51.96.0/22"
  }
  entry {
    cidr = "198.51.101.0/24"
  }
  entry {
    cidr = "198.51.102.0/23"
  }
  entry {
    cidr = "198.51.104.0/21"
  }
  entry {
    cidr = "198.51.112.0/20"
  }
  entry {
    cidr = "198.51.128.0/17"
  }
  entry {
    cidr = "198.52.0.0/14"
  }
  entry {
    cidr = "198.56.0.0/13"
  }
  entry {
    cidr = "198.64.0.0/10"
  }
  entry {
    cidr = "198.128.0.0/9"
  }
  entry {
    cidr = "199.0.0.0/8"
  }
  entry {
    cidr = "200.0.0.0/7"
  }
  entry {
    cidr = "202.0.0.0/8"
  }
  entry {
    cidr = "203.0.0.0/18"
  }
  entry {
    cidr = "203.0.64.0/19"
  }
  entry {
    cidr = "203.0.96.0/20"
  }
  entry {
    cidr = "203.0.112.0/24"
  }
  entry {
    cidr = "203.0.113.0/30"
  }
  entry {
    cidr = "203.0.113.4/32"
  }
  entry {
    cidr = "203.0.113.10/31"
  }
  entry {
    cidr = "203.0.113.12/30"
  }
  entry {
    cidr = "203.0.113.16/28"
  }
  entry {
    cidr = "203.0.113.32/27"
  }
  entry {
    cidr = "203.0.113.64/26"
  }
  entry {
    cidr = "203.0.113.128/25"
  }
  entry {
    cidr = "203.0.114.0/23"
  }
  entry {
    cidr = "203.0.116.0/22"
  }
  entry {
    cidr = "203.0.120.0/21"
  }
  entry {
    cidr = "203.0.128.0/17"
  }
  entry {
    cidr = "203.1.0.0/16"
  }
  entry {
    cidr = "203.2.0.0/15"
  }
  entry {
    cidr = "203.4.0.0/14"
  }
  entry {
    cidr = "203.8.0.0/13"
  }
  entry {
    cidr = "203.16.0.0/12"
  }
  entry {
    cidr = "203.32.0.0/11"
  }
  entry {
    cidr = "203.64.0.0/10"
  }
  entry {
    cidr = "203.128.0.0/9"
  }
  entry {
    cidr = "204.0.0.0/6"
  }
  entry {
    cidr = "208.0.0.0/4"
  }
  entry {
    cidr = "224.0.0.0/3"
  }
}

resource "aws_vpc_security_group_ingress_rule" "arrowslit_ipv4_25" {
  security_group_id = var.arrowslit_security_group
  description       = "Arrowslit"
  ip_protocol       = "tcp"
  from_port         = 25
  to_port           = 25
  prefix_list_id    = aws_ec2_managed_prefix_list.arrowslit_ipv4.id
}

resource "aws_ec2_managed_prefix_list" "arrowslit_ipv6" {
  name           = "arrowslit-${var.arrowslit_security_group}-ipv6"
  address_family = "IPv6"
  max_entries    = 128

  # not: default/connection_control/all_except_listed/computer:2001:db8:bad::1
  entry {
    cidr = "::/3"
  }
  entry {
    cidr = "2000::/16"
  }
  entry {
    cidr = "2001::/21"
  }
  entry {
    cidr = "2001:800::/22"
  }
  entry {
    cidr = "2001:c00::/24"
  }
  entry {
    cidr = "2001:d00::/25"
  }
  entry {
    cidr = "2001:d80::/27"
  }
  entry {
    cidr = "2001:da0::/28"
  }
  entry {
    cidr = "2001:db0::/29"
  }
  entry {
    cidr = "2001:db8::/37"
  }
  entry {
    cidr = "2001:db8:800::/39"
  }
  entry {
    cidr = "2001:db8:a00::/40"
  }
  entry {
    cidr = "2001:db8:b00::/41"
  }
  entry {
    cidr = "2001:db8:b80::/43"
  }
  entry {
    cidr = "2001:db8:ba0::/45"
  }
  entry {
    cidr = "2001:db8:ba8::/46"
  }
  entry {
    cidr = "2001:db8:bac::/48"
  }
  entry {
    cidr = "2001:db8:bad::/128"
  }
  entry {
    cidr = "2001:db8:bad::2/127"
  }
  entry {
    cidr = "2001:db8:bad::4/126"
  }
  entry {
    cidr = "2001:db8:bad::8/125"
  }
  entry {
    cidr = "2001:db8:bad::10/124"
  }
  entry {
    cidr = "2001:db8:bad::20/123"
  }
  entry {
    cidr = "2001:db8:bad::40/122"
  }
  entry {
    cidr = "2001:db8:bad::80/121"
  }
  entry {
    cidr = "2001:db8:bad::100/120"
  }
  entry {
    cidr = "2001:db8:bad::200/119"
  }
  entry {
    cidr = "2001:db8:bad::400/118"
  }
  entry {
    cidr = "2001:db8:bad::800/117"
  }
  entry {
    cidr = "2001:db8:bad::1000/116"
  }
  entry {
    cidr = "2001:db8:bad::2000/115"
  }
  entry {
    cidr = "2001:db8:bad::4000/114"
  }
  entry {
    cidr = "2001:db8:bad::8000/113"
  }
  entry {
    cidr = "2001:db8:bad::1:0/112"
  }
  entry {
    cidr = "2001:db8:bad::2:0/111"
  }
  entry {
    cidr = "2001:db8:bad::4:0/110"
  }
  entry {
    cidr = "2001:db8:bad::8:0/109"
  }
  entry {
    cidr = "2001:db8:bad::10:0/108"
  }
  entry {
    cidr = "2001:db8:bad::20:0/107"
  }
  entry {
    cidr = "2001:db8:bad::40:0/106"
  }
  entry {
    cidr = "2001:db8:bad::80:0/105"
  }
  entry {
    cidr = "2001:db8:bad::100:0/104"
  }
  entry {
    cidr = "2001:db8:bad::200:0/103"
  }
  entry {
    cidr = "2001:db8:bad::400:0/102"
  }
  entry {
    cidr = "2001:db8:bad::800:0/101"
  }
  entry {
    cidr = "2001:db8:bad::1000:0/100"
  }
  entry {
    cidr = "2001:db8:bad::2000:0/99"
  }
  entry {
    cidr = "2001:db8:bad::4000:0/98"
  }
  entry {
    cidr = "2001:db8:bad::8000:0/97"
  }
  entry {
    cidr = "2001:db8:bad::1:0:0/96"
  }
  entry {
    cidr = "2001:db8:bad::2:0:0/95"
  }
  entry {
    cidr = "2001:db8:bad::4:0:0/94"
  }
  entry {
    cidr = "2001:db8:bad::8:0:0/93"
  }
  entry {
    cidr = "2001:db8:bad::10:0:0/92"
  }
  entry {
    cidr = "2001:db8:bad::20:0:0/91"
  }
  entry {
    cidr = "2001:db8:bad::40:0:0/90"
  }
  entry {
    cidr = "2001:db8:bad::80:0:0/89"
  }
  entry {
    cidr = "2001:db8:bad::100:0:0/88"
  }
  entry {
    cidr = "2001:db8:bad::200:0:0/87"
  }
  entry {
    cidr = "2001:db8:bad::400:0:0/86"
  }
  entry {
    cidr = "2001:db8:bad::800:0:0/85"
  }
  entry {
    cidr = "2001:db8:bad::1000:0:0/84"
  }
  entry {
    cidr = "2001:db8:bad::2000:0:0/83"
  }
  entry {
    cidr = "2001:db8:bad::4000:0:0/82"
  }
  entry {
    cidr = "2001:db8:bad::8000:0:0/81"
  }
  entry {
    cidr = "2001:db8:bad:0:1::/80"
  }
  entry {
    cidr = "2001:db8:bad:0:2::/79"
  }
  entry {
    cidr = "2001:db8:bad:0:4::/78"
  }
  entry {
    cidr = "2001:db8:bad:0:8::/77"
  }
  entry {
    cidr = "2001:db8:bad:0:10::/76"
  }
  entry {
    cidr = "2001:db8:bad:0:20::/75"
  }
  entry {
    cidr = "2001:db8:bad:0:40::/74"
  }
  entry {
    cidr = "2001:db8:bad:0:80::/73"
  }
  entry {
    cidr = "2001:db8:bad:0:100::/72"
  }
  entry {
    cidr = "2001:db8:bad:0:200::/71"
  }
  entry {
    cidr = "2001:db8:bad:0:400::/70"
  }
  entry {
    cidr = "2001:db8:bad:0:800::/69"
  }
  entry {
    cidr = "2001:db8:bad:0:1000::/68"
  }
  entry {
    cidr = "2001:db8:bad:0:2000::/67"
  }
  entry {
    cidr = "2001:db8:bad:0:4000::/66"
  }
  entry {
    cidr = "2001:db8:bad:0:8000::/65"
  }
  entry {
    cidr = "2001:db8:bad:1::/64"
  }
  entry {
    cidr = "2001:db8:bad:2::/63"
  }
  entry {
    cidr = "2001:db8:bad:4::/62"
  }
  entry {
    cidr = "2001:db8:bad:8::/61"
  }
  entry {
    cidr = "2001:db8:bad:10::/60"
  }
  entry {
    cidr = "2001:db8:bad:20::/59"
  }
  entry {
    cidr = "2001:db8:bad:40::/58"
  }
  entry {
    cidr = "2001:db8:bad:80::/57"
  }
  entry {
    cidr = "2001:db8:bad:100::/56"
  }
  entry {
    cidr = "2001:db8:bad:200::/55"
  }
  entry {
    cidr = "2001:db8:bad:400::/54"
  }
  entry {
    cidr = "2001:db8:bad:800::/53"
  }
  entry {
    cidr = "2001:db8:bad:1000::/52"
  }
  entry {
    cidr = "2001:db8:bad:2000::/51"
  }
  entry {
    cidr = "2001:db8:bad:4000::/50"
  }
  entry {
    cidr = "2001:db8:bad:8000::/49"
  }
  entry {
    cidr = "2001:db8:bae::/47"
  }
  entry {
    cidr = "2001:db8:bb0::/44"
  }
  entry {
    cidr = "2001:db8:bc0::/42"
  }
  entry {
    cidr = "2001:db8:c00::/38"
  }
  entry {
    cidr = "2001:db8:1000::/36"
  }
  entry {
    cidr = "2001:db8:2000::/35"
  }
  entry {
    cidr = "2001:db8:4000::/34"
  }
  entry {
    cidr = "2001:db8:8000::/33"
  }
  entry {
    cidr = "2001:db9::/32"
  }
  entry {
    cidr = "2001:dba::/31"
  }
  entry {
    cidr = "2001:dbc::/30"
  }
  entry {
    cidr = "2001:dc0::/26"
  }
  entry {
    cidr = "2001:e00::/23"
  }
  entry {
    cidr = "2001:1000::/20"
  }
  entry {
    cidr = "2001:2000::/19"
  }
  entry {
    cidr = "2001:4000::/18"
  }
  entry {
    cidr = "2001:8000::/17"
  }
  entry {
    cidr = "2002::/15"
  }
  entry {
    cidr = "2004::/14"
  }
  entry {
    cidr = "2008::/13"
  }
  entry {
    cidr = "2010::/12"
  }
  entry {
    cidr = "2020::/11"
  }
  entry {
    cidr = "2040::/10"
  }
  entry {
    cidr = "2080::/9"
  }
  entry {
    cidr = "2100::/8"
  }
  entry {
    cidr = "2200::/7"
  }
  entry {
    cidr = "2400::/6"
  }
  entry {
    cidr = "2800::/5"
  }
  entry {
    cidr = "3000::/4"
  }
  entry {
    cidr = "4000::/2"
  }
  entry {
    cidr = "8000::/1"
  }
}

resource "aws_vpc_security_group_ingress_rule" "arrowslit_ipv6_25" {
  security_group_id = var.arrowslit_security_group
  description       = "Arrowslit"
  ip_protocol       = "tcp"
  from_port         = 25
  to_port           = 25
  prefix_list_id    = aws_ec2_managed_prefix_list.arrowslit_ipv6.id
}
