// QuickFIX's own acceptor, which answers each request at once and does nothing else: no book, no log, nothing kept.
//
//     quickfix_echo PORT     ready when it has printed a line; ends with its standard input

#include <iostream>
#include <limits>
#include <sstream>

#include "Application.h"
#include "Field.h"
#include "Session.h"
#include "SessionSettings.h"
#include "SocketAcceptor.h"

class Echo : public FIX::Application {
    int answers = 0;

    void onCreate(const FIX::SessionID &) override {}
    void onLogon(const FIX::SessionID &) override {}
    void onLogout(const FIX::SessionID &) override {}
    void toAdmin(FIX::Message &, const FIX::SessionID &) override {}
    void toApp(FIX::Message &, const FIX::SessionID &) override {}
    void fromAdmin(const FIX::Message &, const FIX::SessionID &) override {}

    // A new order is accepted, a cancel done: the fields that every report must have.
    void fromApp(const FIX::Message &request, const FIX::SessionID &session) override {
        const bool cancel = request.isSetField(41);
        const std::string number = std::to_string(++answers), state = cancel ? "4" : "0";
        FIX::Message report;
        report.getHeader().setField(35, "8");
        for (int tag : {11, 41, 55, 54})
            if (request.isSetField(tag))
                report.setField(tag, request.getField(tag));
        report.setField(37, number);
        report.setField(17, number);
        report.setField(150, state);
        report.setField(39, state);
        report.setField(151, "0");
        report.setField(14, "0");
        report.setField(6, "0");
        FIX::Session::sendToTarget(report, session);
    }
};

int main(int, char **arguments) {
    std::stringstream text;
    text << "[DEFAULT]\nConnectionType=acceptor\nNonStopSession=Y\nUseDataDictionary=N\nResetOnLogon=Y\nSocketNodelay=Y\n"
         << "SocketReuseAddress=Y\nSocketAcceptPort=" << arguments[1]
         << "\n[SESSION]\nBeginString=FIX.4.4\nSenderCompID=QUICKFIX\nTargetCompID=CLIENT\n";
    Echo echo;
    FIX::SessionSettings settings(text);
    FIX::MemoryStoreFactory store;
    FIX::SocketAcceptor acceptor(echo, store, settings);
    acceptor.start();
    std::cout << "ready" << std::endl;
    std::cin.ignore(std::numeric_limits<std::streamsize>::max());
    acceptor.stop(true);
}
