"""Something functions share."""


def shout(text):
    return text.upper()
