"""The files in which Outlook saves an e-mail (.msg, MS-OXMSG): properties in the streams of a compound file."""
