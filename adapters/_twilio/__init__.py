"""What the channels that go through Twilio share: SMS and MMS (`sms`) and WhatsApp (`whatsapp_twilio`).

One webhook form, one signature, one send call and one simulated provider; what differs between the channels is in their
own folders.
"""
