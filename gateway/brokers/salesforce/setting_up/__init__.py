"""What an org needs for the gateway, from the config: as files of an sf (Salesforce DX) project, as a difference to the org, or created in it.

`plan` decides what there must be, `project` writes it as files, `difference` compares it with an org, `applying` creates what is missing, `keys` makes a key and its
certificate. Only `plan` reads the config.
"""
