# Arrowslit: policy.toml, virtual server default, for Terraform with an AWS security group
# apply: terraform fmt -check FILE && terraform plan -out=plan   (read it: nothing but arrowslit_ is to change)
#        terraform apply plan
#        then take out the rules that open the port to everybody, where they are declared
# check: terraform plan -detailed-exitcode   (0: the group is as this file says)
# undo:  first the wide rules again, then FILE as it was before, or without it; terraform apply
# gap:   certificate-entry: The target knows no certificates: whom only such an entry lists is kept out. Waived: a test
#        default/connection_control/only_listed/certificate:mail.filter.example
# gap:   domain-entry: The target does not confirm reverse names: an entry by domain name does not count there. Waived: a test
#        default/connection_control/only_listed/domain:*.branches.example.org
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
  max_entries    = 11

  # default/connection_control/only_listed/network:filter  the filtering service
  entry {
    cidr = "83.245.15.239/32"
  }
  entry {
    cidr = "198.51.100.10/31"
  }
  entry {
    cidr = "198.51.100.12/32"
  }
  entry {
    cidr = "198.51.100.14/31"
  }
  entry {
    cidr = "198.51.100.16/30"
  }
  entry {
    cidr = "198.51.100.20/32"
  }
  # default/connection_control/only_listed/network:office  printers and clients
  entry {
    cidr = "192.168.0.0/24"
  }
  # default/connection_control/only_listed/group:203.0.113.0/28
  entry {
    cidr = "203.0.113.0/28"
  }
  # default/connection_control/only_listed/computer:203.0.113.77  branch in Leeds
  entry {
    cidr = "203.0.113.77/32"
  }
  # default/connection_control/only_listed/range:203.0.113.40-203.0.113.44
  entry {
    cidr = "203.0.113.40/30"
  }
  entry {
    cidr = "203.0.113.44/32"
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
  max_entries    = 1

  # default/connection_control/only_listed/network:filter  the filtering service
  entry {
    cidr = "2001:db8:25::/48"
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
