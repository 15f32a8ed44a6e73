"""Identity owns people, organizations, roles, guardianships, sign-in, API clients and the transfer of rights at 18.

It hears nobody: schools send rosters and operators record organizations. It says who exists, who may act for whom and
which recipients are verified. It never keeps more of a person than name, e-mail, role, school, guardians and birth date,
and keeps names and dates as ciphertext only; it knows nothing of transcripts.
"""
