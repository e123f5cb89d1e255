FLASK_APP=chatbot.cli:create_app
