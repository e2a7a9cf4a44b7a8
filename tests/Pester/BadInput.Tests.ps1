# Whatever is given that is no good, what comes is a CracException with a reason, a category and something to do. What PowerShell itself
# refuses, since it binds to no parameter, is PowerShell's.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle

    # What is wrong, the call, and the reason: Reason is one of several where it depends on the machine.
    $calls = @(
        @{ What = 'a regular expression'; Call = 'Search-CracImage -Pattern "(" -Path $image.Path'; Reason = 'OptionRefused' }
        @{ What = 'a regular expression'; Call = 'Search-CracImage -Pattern "[z-a]" -InputObject $image'; Reason = 'OptionRefused' }
        @{ What = 'a regular expression'; Call = 'Start-CracProcess sleep 9 -ReadyPattern "(" -StandardOutputPath $folder/out'; Reason = 'OptionRefused' }
        @{ What = 'an expression that backtracks for ever'; Call = 'Search-CracImage -Pattern "(\x00*)*\x01\x02\x03\x04\x05\x06\x07" -InputObject $image'; Reason = 'TimedOut'; Slow = $true }
        @{ What = 'a text of more than a pattern may have'; Call = 'Search-CracImage ("x" * 20000) $image.Path'; Reason = 'OptionRefused' }
        @{ What = 'a wildcard for names'; Call = 'Invoke-CracCheckpoint -Name "[z-a]"'; Reason = 'OptionRefused' }
        @{ What = 'a wildcard for names'; Call = 'Test-CracProcess -Name "[z-a]"'; Reason = 'OptionRefused' }
        @{ What = 'a name'; Call = 'Invoke-CracCheckpoint -Name no-such-name'; Reason = 'ProcessNotFound' }
        @{ What = 'a name'; Call = 'Test-CracProcess -Name no-such-name'; Reason = 'ProcessNotFound' }
        @{ What = 'a wildcard without a match'; Call = 'Invoke-CracCheckpoint -Name no-such-*'; Reason = 'ProcessNotFound' }
        @{ What = 'a wildcard without a match'; Call = 'Test-CracProcess -Name no-such-*'; Reason = 'ProcessNotFound' }
        @{ What = 'a pid'; Call = 'Invoke-CracCheckpoint 2147483647'; Reason = 'ProcessNotFound' }
        @{ What = 'a pid'; Call = 'Test-CracProcess 2147483647'; Reason = 'ProcessNotFound' }
        @{ What = 'a process that has ended'; Call = 'Test-CracProcess -InputObject $ended'; Reason = 'ProcessNotFound' }
        @{ What = 'a process that has ended'; Call = 'Invoke-CracCheckpoint -InputObject $ended'; Reason = 'ProcessNotFound' }
        @{ What = 'a pid of no process in the image'; Call = 'Get-CracImageMemory $image.Path -Address 0 -ProcessId 1'; Reason = 'ProcessNotFound' }
        @{ What = 'a pid of no process in the image'; Call = 'Search-CracImage x $image.Path -ProcessId 1'; Reason = 'ProcessNotFound' }
        @{ What = 'an address'; Call = 'Get-CracImageMemory $image.Path -Address 1'; Reason = 'MemoryNotInImage' }
        @{ What = 'an address'; Call = 'Get-CracImageMemory $image.Path -Address ([ulong]::MaxValue)'; Reason = 'MemoryNotInImage' }
        @{ What = 'a type'; Call = 'Get-CracImageContent $image.Path no-such-type'; Reason = 'OptionRefused' }
        @{ What = 'a file''s name'; Call = 'Get-CracImageContent $image.Path no-such.img'; Reason = 'FileMissing' }
        @{ What = 'what is no image'; Call = 'Compare-CracImage 5 $image'; Reason = 'NotAnImage' }
        @{ What = 'what is no image'; Call = 'Compare-CracImage @{ a = 1 } $image'; Reason = 'NotAnImage' }
        @{ What = 'what is no image'; Call = 'Compare-CracImage $image ""'; Reason = 'NotAnImage' }
        @{ What = 'what is no image'; Call = 'Compare-CracImage $image @($image, $image)'; Reason = 'NotAnImage' }
        @{ What = 'a file for an image'; Call = 'Restore-CracProcess $file'; Reason = 'NotAnImage' }
        @{ What = 'a file for an image'; Call = 'Get-CracImage -LiteralPath $file'; Reason = 'NotAnImage' }
        @{ What = 'a file for an image'; Call = 'Remove-CracImage $file'; Reason = 'NotAnImage' }
        @{ What = 'a folder for an image'; Call = 'Test-CracImage $folder'; Reason = 'NotAnImage' }
        @{ What = 'another provider'; Call = 'Get-CracImage Env:PATH'; Reason = 'NotAnImage' }
        @{ What = 'a drive'; Call = 'Get-CracImage -LiteralPath nodrive:/x'; Reason = 'NotAnImage' }
        @{ What = 'a drive'; Call = 'Get-CracImage nodrive:/x*'; Reason = 'NotAnImage' }
        @{ What = 'a drive'; Call = 'Invoke-CracCheckpoint $id nodrive:/x'; Reason = 'NotAnImage' }
        @{ What = 'a path with a NUL'; Call = 'Get-CracImage -LiteralPath "a`0b"'; Reason = 'NotAnImage' }
        @{ What = 'a path with a NUL'; Call = 'Invoke-CracCheckpoint $id "$folder/a`0b"'; Reason = 'OptionRefused', 'NotAnImage' }
        @{ What = 'a path that is too long'; Call = 'Invoke-CracCheckpoint $id "$folder/$("x" * 300)"'; Reason = 'SealFailed' }
        @{ What = 'a file above the image'; Call = 'Invoke-CracCheckpoint $id "$file/x"'; Reason = 'SealFailed' }
        @{ What = 'a file in the image''s place'; Call = 'Invoke-CracCheckpoint $id $file'; Reason = 'ImageExists' }
        @{ What = 'a file in the image''s place'; Call = 'Invoke-CracCheckpoint $id $file -Force'; Reason = 'ImageExists' }
        @{ What = 'a folder that is closed to all'; Call = 'Invoke-CracCheckpoint $id /proc/x'; Reason = 'SealFailed', 'PermissionDenied' }
        @{ What = 'a parent'; Call = 'Invoke-CracCheckpoint $id $folder/x -ParentImage $file'; Reason = 'NotAnImage' }
        @{ What = 'a folder for criu'; Call = 'Invoke-CracCheckpoint $id $folder/x -CriuPath $folder'; Reason = 'CriuNotFound' }
        @{ What = 'a file for criu'; Call = 'Restore-CracProcess $image.Path -CriuPath $file'; Reason = 'CriuNotFound' }
        @{ What = 'no criu'; Call = 'Initialize-CracEnvironment -CriuPath $folder/none'; Reason = 'CriuNotFound' }
        @{ What = 'a drive for criu'; Call = 'Test-CracEnvironment -CriuPath nodrive:/x'; Reason = 'NotAnImage' }
        @{ What = 'an option'; Call = 'Invoke-CracCheckpoint $id $folder/x -CriuOption @{ "" = 1 }'; Reason = 'OptionRefused' }
        @{ What = 'an option''s value'; Call = 'Invoke-CracCheckpoint $id $folder/x -CriuOption @{ root = "" }'; Reason = 'OptionRefused' }
        @{ What = 'an option''s value'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -CriuOption @{ root = @("a b") }'; Reason = 'OptionRefused' }
        @{ What = 'a replacement that is null'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -ReplaceFile @{ "/x" = $null }'; Reason = 'OptionRefused' }
        @{ What = 'a replacement that is empty'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -ReplaceFile @{ "/x" = "" }'; Reason = 'OptionRefused' }
        @{ What = 'a replacement of nothing'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -ReplaceFile @{ "/none" = $file }'; Reason = 'OptionRefused' }
        @{ What = 'two replacements of one'; Call = '$table = [hashtable]::new([StringComparer]::Ordinal); $table["1"] = $file; $table[1] = $file; Restore-CracProcess $image.Path -PidNamespace New -ReplaceFile $table'; Reason = 'OptionRefused' }
        @{ What = 'a folder for output'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -StandardOutputPath $folder'; Reason = 'OptionRefused', 'PermissionDenied', 'FileMissing', 'ProgramNotStarted' }
        @{ What = 'output in no folder'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -StandardOutputPath $folder/none/out'; Reason = 'FileMissing' }
        @{ What = 'input from nothing'; Call = 'Restore-CracProcess $image.Path -PidNamespace New -StandardInputPath $folder/none'; Reason = 'FileMissing' }
        @{ What = 'an address that is none'; Call = 'Restore-CracProcess $image.Path -ReadyUri ftp://x'; Reason = 'OptionRefused' }
        @{ What = 'an address that is none'; Call = 'Start-CracProcess sleep 9 -ReadyUri x'; Reason = 'OptionRefused' }
        @{ What = 'a program'; Call = 'Start-CracProcess no-such-program'; Reason = 'ProgramNotStarted' }
        @{ What = 'a folder for a program'; Call = 'Start-CracProcess $folder'; Reason = 'ProgramNotStarted' }
        @{ What = 'a file that is no program'; Call = 'Start-CracProcess $file'; Reason = 'ProgramNotStarted' }
        @{ What = 'a folder to start in'; Call = 'Start-CracProcess sleep 9 -WorkingDirectory $folder/none'; Reason = 'ProgramNotStarted', 'FileMissing' }
        @{ What = 'a file to start in'; Call = 'Start-CracProcess sleep 9 -WorkingDirectory $file'; Reason = 'ProgramNotStarted', 'FileMissing' }
        @{ What = 'a folder for output'; Call = 'Start-CracProcess sleep 9 -StandardOutputPath $folder'; Reason = 'ProgramNotStarted' }
        @{ What = 'a variable''s name'; Call = 'Start-CracProcess sleep 9 -Environment @{ "" = 1 }'; Reason = 'OptionRefused' }
        @{ What = 'a variable''s name'; Call = 'Start-CracProcess sleep 9 -Environment @{ "a=b" = 1 }'; Reason = 'OptionRefused' }
        @{ What = 'a variable''s value'; Call = 'Start-CracProcess sleep 9 -Environment @{ a = "b`0c" }'; Reason = 'OptionRefused' }
        @{ What = 'an argument with a NUL'; Call = 'Start-CracProcess sleep "9`0"'; Reason = 'OptionRefused' }
        @{ What = 'a condition without output'; Call = 'Start-CracProcess sleep 9 -ReadyPattern x'; Reason = 'OptionRefused' }
        @{ What = 'a folder for a file'; Call = 'Measure-CracStartup sleep 9 -ReadyScript { $true } -Count 1 -Plot $folder'; Reason = 'PermissionDenied', 'Unknown' }
        @{ What = 'a plot in no folder'; Call = 'Measure-CracStartup sleep 9 -ReadyScript { $true } -Count 1 -Plot $folder/none/x.svg'; Reason = 'FileMissing' }
        @{ What = 'an image that is not there'; Call = 'Measure-CracStartup sleep 9 -ReadyScript { $true } -ImageName none'; Reason = 'NotAnImage' }
        @{ What = 'no condition'; Call = 'Measure-CracStartup sleep 9'; Reason = 'OptionRefused' }
        @{ What = 'a class for no JVM'; Call = 'Restore-CracProcess $image.Path -MainClass X'; Reason = 'OptionRefused' }
        @{ What = 'a property that is null'; Call = 'Restore-CracProcess $image.Path -Property @{ a = $null }'; Reason = 'OptionRefused' }
        @{ What = 'the JVM''s way for no JVM'; Call = 'Invoke-CracCheckpoint $id $folder/x -Engine Jvm'; Reason = 'JvmNotCapable', 'JvmNotAttachable' }
        @{ What = 'the JVM''s way for no JVM'; Call = 'Restore-CracProcess $image.Path -Engine Jvm'; Reason = 'OptionRefused', 'JvmNotCapable', 'NotAnImage' }
        @{ What = 'garbage of no JVM'; Call = 'Invoke-CracCheckpoint $id $folder/x -CollectGarbage'; Reason = 'JvmNotCapable', 'JvmNotAttachable' }
        @{ What = 'an image root that is a file'; Call = '$env:PSCRAC_IMAGE_ROOT = $file; Get-CracImage'; Reason = 'FileMissing' }
        @{ What = 'an image root that is a file'; Call = '$env:PSCRAC_IMAGE_ROOT = $file; Restore-CracProcess x*'; Reason = 'FileMissing' }
        @{ What = 'several processes and one name'; Call = 'Invoke-CracCheckpoint $id, 1 -ImageName x'; Reason = 'OptionRefused' }
        @{ What = 'several processes and one path'; Call = 'Invoke-CracCheckpoint -InputObject $ended, $ended $folder/x'; Reason = 'OptionRefused' }
    )
    # Parameters that contradict each other, and what the error says to leave out.
    $pairs = @(
        @{ Call = 'Invoke-CracCheckpoint $id $folder/x -TcpEstablished -TcpClose'; Leave = '-TcpClose' }
        @{ Call = 'Invoke-CracCheckpoint $id $folder/x -TcpEstablished -TcpClose -NoAutoOption -WhatIf'; Leave = '-TcpClose' }
        @{ Call = 'Invoke-CracCheckpoint $id $folder/x -LinkRemap -LeaveRunning'; Leave = '-LinkRemap' }
        @{ Call = 'Test-CracProcess $id -TcpEstablished -TcpClose'; Leave = '-TcpClose' }
        @{ Call = 'Test-CracProcess $id -TcpEstablished -TcpClose -Quiet'; Leave = '-TcpClose' }
        @{ Call = 'Restore-CracProcess $image.Path -TcpEstablished -TcpClose'; Leave = '-TcpEstablished' }
        @{ Call = 'Restore-CracProcess $image.Path -Engine Criu -JavaPath /usr'; Leave = '-Engine Criu' }
        @{ Call = 'Restore-CracProcess $image.Path -Engine Criu -ArgumentList a'; Leave = '-ArgumentList' }
        @{ Call = 'Start-CracProcess sleep 9 -ImagePath $folder/x -OrRestore -Force -IgnoreChange'; Leave = '-IgnoreChange' }
        @{ Call = 'Start-CracProcess sleep 9 -ImagePath $folder/x -IgnoreChange'; Leave = '-IgnoreChange' }
    )
    $calls += $pairs.ForEach({ @{ What = 'a pair'; Call = $_.Call; Reason = 'OptionRefused' } })
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest

    # What a call writes as errors, whether they end it or not.
    function Get-Failure([string] $Call) {
        try { @(Invoke-Expression "& { $Call } 2>&1").Where({ $_ -is [Management.Automation.ErrorRecord] }) }
        catch { $_ }
    }
}

AfterAll {
    Exit-CracTest
}

Describe "input that is no good$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeAll {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint $id "$folder/image" -LeaveRunning
        $file = "$folder/file"
        Set-Content $file 'x'
        $ended = Get-Process -Id (Start-TestProgram 'sleep 1000')
        $ended.Kill()
        Wait-Until { -not (Test-Path "/proc/$($ended.Id)") } 'it is gone'
        $root = $env:PSCRAC_IMAGE_ROOT
    }

    AfterEach {
        $env:PSCRAC_IMAGE_ROOT = $root
        Test-Running $id | Should -BeTrue
        "$folder/x" | Should -Not -Exist
    }

    It '<What>: <Call>' -ForEach $calls {
        $failures = @(Get-Failure $Call)
        $failures | Should -HaveCount 1
        $record = $failures[0]
        $record.Exception | Should -BeOfType PSCrac.CracException -Because "$record"
        "$($record.Exception.Reason)" | Should -BeIn $Reason -Because "$record"
        $record.FullyQualifiedErrorId | Should -Match "^$($record.Exception.Reason),PSCrac\.Commands\."
        $record.CategoryInfo.Category | Should -Not -Be NotSpecified
        $record.ErrorDetails.RecommendedAction | Should -Match '^\S.*\.$'
        $record.Exception.Message | Should -Match '\S'
        $record.TargetObject | Should -Not -BeNullOrEmpty
    }

    It 'contradicts itself, and is told what to leave out: <Call>' -ForEach $pairs {
        $record = @(Get-Failure $Call)[0]
        $record.CategoryInfo.Category | Should -Be InvalidArgument
        $record.ErrorDetails.RecommendedAction | Should -Match "(Leave out|or) $Leave\b"
    }
}

Describe 'an error record' {
    It 'has a category for every reason' {
        $create = [PSCrac.Commands.Common.CracCommand].Assembly.GetType('PSCrac.CracErrorRecord').GetMethod('Create', [Reflection.BindingFlags] 'Static, NonPublic')
        foreach ($reason in [Enum]::GetValues([PSCrac.CracReason])) {
            $record = $create.Invoke($null, @([PSCrac.CracException]::new($reason, 'It failed.', $null, $null), 'target'))
            $record.CategoryInfo.Category | Should -Not -Be NotSpecified -Because "$reason"
            $record.ErrorDetails.RecommendedAction | Should -Match '^\S.*\.$' -Because "$reason"
        }
    }
}
