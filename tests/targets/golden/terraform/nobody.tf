# Arrowslit: policy.toml, virtual server default, for Terraform with an AWS security group
# apply: terraform fmt -check FILE && terraform plan -out=plan   (read it: nothing but arrowslit_ is to change)
#        terraform apply plan
#        then take out the rules that open the port to everybody, where they are declared
# check: terraform plan -detailed-exitcode   (0: the group is as this file says)
# undo:  first the wide rules again, then FILE as it was before, or without it; terraform apply
# note:  nobody may connect: this permits nobody, and refuses nobody: whom a rule beside it permits still gets in
# note:  a security group with ingress blocks of its own (aws_security_group) takes away rules that are declared beside it: declare its rules in resources of their own
# note:  all security groups of an interface add up: a rule for the port in any other one lets strangers in
# note:  the quota of 60 rules can be raised (Service Quotas, Inbound or outbound rules per security group)
# note:  a load balancer that hides the client's address makes the list useless; one that checks the port needs an entry

variable "arrowslit_security_group" {
  description = "The mail server's security group"
  type        = string
}
